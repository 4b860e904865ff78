#pragma once

#include <cstddef>
#include <span>

#include "runtime/base/result.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kernels/weight_format.h"
#include "runtime/tensor/buffer.h"

namespace longshore::kernels {

// The weights [N outputs, K inputs] of one GGUF tensor, converted exactly at load into the order in which the kernels
// read them: tiles of 32 columns (outputs), each contiguous over all of K (tile_layout.h). The size is the file's,
// with N rounded up to a multiple of 32. Immutable, thread-safe.
class PackedMatrix {
 public:
  // `file_bytes`: N rows of K / block_elements(format) blocks, as in the file.
  // Errors: kInvalidArgument when N or K is 0, K is not a multiple of 32 and of the format's block, or the size differs;
  // kDataLoss for a scale that is infinite or NaN (named by its row); kResourceExhausted. The caller names the tensor.
  static Result<PackedMatrix> pack(WeightFormat format, std::size_t outputs, std::size_t inputs,
                                   std::span<const std::byte> file_bytes, ThreadPool& pool);

  // The same from what packed_bytes() of one gave. Errors: those of pack about the shape,
  // kDataLoss when the size is another.
  static Result<PackedMatrix> from_packed(WeightFormat format, std::size_t outputs, std::size_t inputs, Buffer packed);

  WeightFormat format() const { return format_; }
  std::size_t outputs() const { return outputs_; }  // N
  std::size_t inputs() const { return inputs_; }    // K
  std::size_t bytes() const { return storage_.size(); }
  std::span<const std::byte> packed_bytes() const { return storage_.bytes(); }

  std::size_t tile_count() const { return (outputs_ + 31) / 32; }
  std::size_t tile_bytes() const { return tile_bytes_; }
  const std::byte* tile(std::size_t index) const { return storage_.data() + index * tile_bytes_; }

  // Row n (one output's K weights), with exactly the values that the GGUF formula gives in f32: the embedding lookup in
  // a matrix that is also the output projection. out: [K] f32.
  void dequantize_row(std::size_t n, float* out) const;

 private:
  WeightFormat format_ = WeightFormat::kF32;
  std::size_t outputs_ = 0;
  std::size_t inputs_ = 0;
  std::size_t tile_bytes_ = 0;
  Buffer storage_;
};

}  // namespace longshore::kernels
