#pragma once

#include <array>
#include <cstddef>

#include "runtime/kernels/isa.h"
#include "runtime/kernels/quantized_rows.h"
#include "runtime/kernels/weight_format.h"

namespace longshore::kernels {

// The product of M rows with some consecutive column tiles of one matrix: out[m, n] for the `columns` outputs n of
// `tile_count` tiles, each computed whole, over all of K. Nothing outside out[0 .. M)[0 .. columns) is written.
struct TileProduct {
  const std::byte* tiles;  // the first tile, 64-byte aligned
  std::size_t tile_bytes;
  std::size_t tile_count;
  const std::byte* next;  // what the thread will read after them, to be prefetched; may be any address
  std::size_t columns;  // in (32 * (tile_count - 1), 32 * tile_count]

  const ActivationRun* runs;  // [ceil(K / 256), M], and one more that may be read, not used
  const float* values;        // [M, values_ld], read for plain floats only
  std::size_t values_ld;
  std::size_t rows;    // M
  std::size_t groups;  // K / 32

  float* out;  // [M, out_ld], at the first of these columns
  std::size_t out_ld;
};

// The matrix kernels of one instruction set. Every table gives the same bits, for any M and any share of tiles: the
// arithmetic order is written down in tile_layout.h.
struct MatrixKernels {
  using Multiply = void (*)(const TileProduct& product);

  Isa isa;
  // Quantises one row of `columns` (a multiple of 32) values into the records first[0], first[stride], ...
  void (*quantize_row)(const float* x, std::size_t columns, ActivationRun* first, std::size_t stride);
  std::array<Multiply, std::size(kWeightFormats)> multiply;  // by WeightFormat
};

// Requires: is_supported(isa).
const MatrixKernels& matrix_kernels(Isa isa);

}  // namespace longshore::kernels
