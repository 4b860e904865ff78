#include "runtime/kernels/packed_matrix.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "runtime/base/check.h"
#include "runtime/kernels/tile_layout.h"
#include "runtime/kernels/weight_block.h"
#include "runtime/tensor/dtype.h"

namespace longshore::kernels {
namespace {

bool is_finite_f16(std::uint16_t bits) { return (bits & 0x7c00u) != 0x7c00u; }

template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float load_float(WeightFormat format, const std::byte* from) {
  if (format == WeightFormat::kF32) return load<float>(from);
  const std::uint16_t bits = load<std::uint16_t>(from);
  return format == WeightFormat::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
}

bool is_finite(float value) { return (std::bit_cast<std::uint32_t>(value) & 0x7f800000u) != 0x7f800000u; }

// Both return whether all scales (or weights) of the column are finite. `row` is the column's row of the file.
bool pack_float_column(WeightFormat format, std::size_t inputs, const std::byte* row, std::byte* tile,
                       std::size_t column) {
  const std::size_t size = block_bytes(format);
  bool finite = true;
  for (std::size_t k = 0; k < inputs; ++k) {
    finite &= is_finite(load_float(format, row + k * size));
    std::memcpy(tile + (k * kTileColumns + column) * size, row + k * size, size);
  }
  return finite;
}

bool pack_column(WeightFormat format, std::size_t inputs, const std::byte* row, std::byte* tile,
                 std::size_t column) {
  const std::size_t tile_block_bytes = tile_layout(format).block_bytes();
  WeightBlock block;
  bool finite = true;
  for (std::size_t b = 0; b < inputs / block_elements(format); ++b) {
    read_file_block(format, row + b * block_bytes(format), block);
    finite &= is_finite_f16(block.d) && is_finite_f16(block.m);
    store_tile_block(format, block, tile + b * tile_block_bytes, column);
  }
  return finite;
}

Result<void> check_shape(WeightFormat format, std::size_t outputs, std::size_t inputs) {
  const std::size_t unit = std::max<std::size_t>(32, block_elements(format));
  if (outputs == 0 || inputs == 0 || inputs % unit != 0)
    return make_error(ErrorCode::kInvalidArgument, to_string(format), " matrix of ", outputs, " x ", inputs,
                      " (outputs x inputs): inputs must be a positive multiple of ", unit);
  return {};
}

}  // namespace

Result<PackedMatrix> PackedMatrix::pack(WeightFormat format, std::size_t outputs, std::size_t inputs,
                                        std::span<const std::byte> file_bytes, ThreadPool& pool) {
  if (Result<void> legal = check_shape(format, outputs, inputs); !legal) return legal.error();
  const std::size_t row_bytes = inputs / block_elements(format) * block_bytes(format);
  if (file_bytes.size() / row_bytes != outputs || file_bytes.size() % row_bytes != 0)
    return make_error(ErrorCode::kInvalidArgument, to_string(format), " matrix of ", outputs, " x ", inputs,
                      " has ", file_bytes.size(), " bytes; its rows need ", row_bytes, " bytes each");

  PackedMatrix matrix;
  matrix.format_ = format;
  matrix.outputs_ = outputs;
  matrix.inputs_ = inputs;
  matrix.tile_bytes_ = kernels::tile_bytes(format, inputs);
  Result<Buffer> storage = Buffer::allocate(matrix.tile_count() * matrix.tile_bytes_);
  if (!storage) return storage.error();
  matrix.storage_ = std::move(*storage);

  std::atomic<std::size_t> first_bad_row{outputs};
  pool.for_each(matrix.tile_count(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t n = begin * kTileColumns; n < std::min(outputs, end * kTileColumns); ++n) {
      std::byte* const tile = matrix.storage_.data() + n / kTileColumns * matrix.tile_bytes_;
      const std::byte* const row = file_bytes.data() + n * row_bytes;
      const bool finite = is_float(format) ? pack_float_column(format, inputs, row, tile, n % kTileColumns)
                                           : pack_column(format, inputs, row, tile, n % kTileColumns);
      for (std::size_t seen = first_bad_row.load(); !finite && n < seen;)
        if (first_bad_row.compare_exchange_weak(seen, n)) break;
    }
  });
  if (first_bad_row < outputs)
    return make_error(ErrorCode::kDataLoss, to_string(format), " matrix of ", outputs, " x ", inputs, ": row ",
                      first_bad_row.load(), " has ", is_float(format) ? "a weight" : "a scale",
                      " that is infinite or NaN; the file is damaged or was converted wrongly");
  return matrix;
}

Result<PackedMatrix> PackedMatrix::from_packed(WeightFormat format, std::size_t outputs, std::size_t inputs,
                                               Buffer packed) {
  if (Result<void> legal = check_shape(format, outputs, inputs); !legal) return legal.error();
  PackedMatrix matrix;
  matrix.format_ = format;
  matrix.outputs_ = outputs;
  matrix.inputs_ = inputs;
  matrix.tile_bytes_ = kernels::tile_bytes(format, inputs);
  if (packed.size() != matrix.tile_count() * matrix.tile_bytes_)
    return make_error(ErrorCode::kDataLoss, "a packed ", to_string(format), " matrix of ", outputs, " x ", inputs,
                      " has ", packed.size(), " bytes, not ", matrix.tile_count() * matrix.tile_bytes_);
  matrix.storage_ = std::move(packed);
  return matrix;
}

void PackedMatrix::dequantize_row(std::size_t n, float* out) const {
  CHECK(n < outputs_) << "row " << n << " of " << outputs_;
  const std::byte* const from = tile(n / kTileColumns);
  const std::size_t column = n % kTileColumns;
  if (is_float(format_)) {
    for (std::size_t k = 0; k < inputs_; ++k)
      out[k] = load_float(format_, from + (k * kTileColumns + column) * block_bytes(format_));
    return;
  }
  const TileLayout layout = tile_layout(format_);
  WeightBlock block;
  for (std::size_t b = 0; b < inputs_ / layout.block_elements; ++b) {
    load_tile_block(format_, from + b * layout.block_bytes(), column, block);
    block_values(format_, block, out + b * layout.block_elements);
  }
}

}  // namespace longshore::kernels
