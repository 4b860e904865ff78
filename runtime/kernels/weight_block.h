#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernels/weight_format.h"

namespace longshore::kernels {

// One block (32 or 256 k) of one column, spread out but not yet computed with: the integer codes and scale fields of the
// file as they are. What packing reads from a GGUF block, writes to a tile, and reads back.
struct WeightBlock {
  std::uint8_t code[256];    // plus the format's offset (signed Q8_0 codes plus 128)
  std::uint16_t d;           // f16 bits
  std::uint16_t m;           // f16 bits of m or dmin; 0 where the format has none
  std::uint8_t scale[16];    // by group of 32 (Q4_K, Q5_K) or half-group of 16; Q6_K: two's complement; Q3_K: plus 32
  std::uint8_t minimum[16];  // likewise
};

// The scales of a block as the arithmetic of tile_layout.h uses them, exact in f32.
struct BlockScales {
  float scale[16];    // d*sc (or d) of each group of 32 [8], or of each half [16]
  float minimum[16];  // m, -(dmin*m) or, for kTwoMinima, dmin*m
};

// Requires for all: not is_float(format).

// Reads block_bytes(format) bytes of a GGUF file.
void read_file_block(WeightFormat format, const std::byte* file, WeightBlock& block);

// Writes column `column` of a tile's block, which must be zero there; and reads it back.
void store_tile_block(WeightFormat format, const WeightBlock& block, std::byte* tile_block, std::size_t column);
void load_tile_block(WeightFormat format, const std::byte* tile_block, std::size_t column, WeightBlock& block);

BlockScales block_scales(WeightFormat format, const WeightBlock& block);

// The block's block_elements(format) values by the GGUF formula, each rounded at most once.
void block_values(WeightFormat format, const WeightBlock& block, float* out);

}  // namespace longshore::kernels
