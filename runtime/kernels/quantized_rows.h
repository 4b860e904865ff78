#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/base/result.h"
#include "runtime/base/thread_pool.h"
#include "runtime/tensor/buffer.h"

namespace longshore::kernels {

struct MatrixKernels;

inline constexpr std::size_t kGroup = 32;  // consecutive k that share one activation scale
inline constexpr std::size_t kRun = 256;   // consecutive k of one row that lie together, = 8 groups

// 256 consecutive activations of one row. Groups beyond K are zero.
//   scale         s = amax / 127 of each group of 32
//   code          a = round-half-even(x * (127 / amax)), in [-127, 127]: x is about s * a
//   sum           S = sum of a over the group, exact in f32
//   negative_sum, negative_half_sum   -S of each group of 32 and of each group of 16
// amax = 0, or so small that 127 / amax would overflow (below 2^-120): s = 0 and all a = 0.
// A group with an infinity or NaN has s = NaN and all a = 0, so that every output of its row is NaN.
struct alignas(32) ActivationRun {
  std::int8_t code[kRun];
  float scale[8];
  float sum[8];
  std::int32_t negative_sum[8];
  std::int32_t negative_half_sum[16];
};
static_assert(sizeof(ActivationRun) == 416);

// The input of a product: M rows of K activations, quantised once for all matrices that read them, in storage that is
// allocated once. Stored [K / 256][M], so that a block of rows is read as one stream. The result for a row depends on
// that row alone and is the same on every Isa. Source: docs/determinism.md, section 2.
// Matrices of plain floats read the caller's own rows, which must stay as they are until the last product.
// Thread: one thread assigns; products then only read.
class QuantizedRows {
 public:
  // Room for rows_max x columns_max values, or any other M and K with M * ceil(K / 256) no larger. One record more
  // than needed is there: kernels may read, and ignore, the row after the last.
  // Errors: kResourceExhausted when the system has not that much memory.
  static Result<QuantizedRows> create(std::size_t rows_max, std::size_t columns_max);

  // x: [M, ld] f32 with K <= ld. Requires K % 32 == 0 and enough room. Uses the pool for many rows only.
  void assign(const MatrixKernels& kernels, ThreadPool& pool, const float* x, std::size_t rows,
              std::size_t columns, std::size_t ld);

  std::size_t rows() const { return rows_; }        // M
  std::size_t columns() const { return columns_; }  // K
  const ActivationRun* runs() const { return reinterpret_cast<const ActivationRun*>(storage_.data()); }
  const float* values() const { return values_; }
  std::size_t values_ld() const { return values_ld_; }

 private:
  Buffer storage_;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  const float* values_ = nullptr;  // the caller's
  std::size_t values_ld_ = 0;
};

}  // namespace longshore::kernels
