#include "runtime/kernels/quantized_rows.h"

#include "runtime/base/check.h"
#include "runtime/kernels/matrix_kernels.h"

namespace longshore::kernels {
namespace {

// Below this many values one thread is done before another has woken.
constexpr std::size_t kParallelValues = 64 * 1024;

constexpr std::size_t runs_of(std::size_t columns) { return (columns + kRun - 1) / kRun; }

}  // namespace

Result<QuantizedRows> QuantizedRows::create(std::size_t rows_max, std::size_t columns_max) {
  Result<Buffer> storage = Buffer::allocate((rows_max * runs_of(columns_max) + 1) * sizeof(ActivationRun));
  if (!storage) return storage.error();
  QuantizedRows result;
  result.storage_ = std::move(*storage);
  return result;
}

void QuantizedRows::assign(const MatrixKernels& kernels, ThreadPool& pool, const float* x, std::size_t rows,
                           std::size_t columns, std::size_t ld) {
  CHECK(columns % kGroup == 0 && columns > 0 && columns <= ld) << "K = " << columns << ", ld = " << ld;
  CHECK((rows * runs_of(columns) + 1) * sizeof(ActivationRun) <= storage_.size())
      << "M = " << rows << ", K = " << columns << " exceed the storage of " << storage_.size() << " bytes";
  rows_ = rows;
  columns_ = columns;
  values_ = x;
  values_ld_ = ld;
  ActivationRun* first = reinterpret_cast<ActivationRun*>(storage_.data());
  const auto quantize = [&](std::size_t begin, std::size_t end) {
    for (std::size_t m = begin; m < end; ++m) kernels.quantize_row(x + m * ld, columns, first + m, rows);
  };
  if (rows * columns < kParallelValues || rows < 2 || pool.threads() == 1) {
    const std::uint32_t environment = set_float_environment();
    quantize(0, rows);
    restore_float_environment(environment);
    return;
  }
  const std::size_t grain = (rows + 4 * pool.threads() - 1) / (4 * pool.threads());
  pool.for_each(rows, grain, [&](std::size_t begin, std::size_t end, unsigned) { quantize(begin, end); });
}

}  // namespace longshore::kernels
