#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernels/weight_format.h"

// How a packed matrix lies in memory, and in which order its products are added: the contract of all matrix kernels.
//
// A tile is 32 columns (outputs), contiguous over all of K: a sequence of blocks of 32 or 256 k, each a header of scales
// followed by the code planes of each group of 32 k in the order of reading. One dword holds 4 consecutive k of one
// column, as dot-product instructions want; a step is 4 k of 32 columns. Rows of a plane are 128 bytes (column c's dword
// at 4 c, byte b of it below):
//   nibble row j = 0..3   low nibble k = 8j + b (step 2j), high nibble k = 8j + 4 + b (step 2j + 1)
//   pair row h = 0..1     bits 2i, 2i+1: k = 16h + 4i + b (step 4h + i)
//   bit row               bit i: k = 4i + b (step i)
//   byte row i = 0..7     k = 4i + b (step i)
// A code's low bits come from the widest plane: byte, or nibble then pair or bit, or pair then bit.
// Plain floats: tile element [k][c], no header.
//
// Arithmetic, per output, groups in order of k, one accumulator starting from +0. I is the exact integer dot product of a
// group with the offset removed from its codes, S the sum of the group's 32 activation codes, s their scale; I0, I1, S0,
// S1 are those of its two halves of 16. f32(.) and the products d*sc, dmin*m are exact (at most 19 bits); every fma and
// the one product below rounds once, to nearest even:
//   kScale        t = f32(I) * d;                                                        acc = fma(t, s, acc)
//   kMinimum      t = f32(I) * d;        t = fma(m, f32(S), t);                          acc = fma(t, s, acc)
//                 with d*sc for d and -(dmin*m) for m in Q4_K and Q5_K
//   kTwoScales    t = f32(I0) * (d*sc0); t = fma(f32(I1), d*sc1, t);                     acc = fma(t, s, acc)
//   kTwoMinima    t = f32(I0) * (d*sc0); t = fma(f32(I1), d*sc1, t);
//                 t = fma(dmin*m0, f32(-S0), t); t = fma(dmin*m1, f32(-S1), t);          acc = fma(t, s, acc)
//   plain floats  acc = fma(w[k], x[k], acc), k in order, on f32 activations
namespace longshore::kernels {

// Grows with every change of what follows: packed matrices are kept in files (model::WeightCache).
inline constexpr std::uint64_t kTileLayoutVersion = 1;
inline constexpr std::size_t kTileColumns = 32;
inline constexpr std::size_t kPlaneRowBytes = 4 * kTileColumns;

enum class Arithmetic { kScale, kMinimum, kTwoScales, kTwoMinima };

// What the header holds beyond f16 d[32] (and f16 m[32] or dmin[32]).
enum class ScaleCodes {
  kNone,
  kSixBit,  // 512 values of six bits in 384 bytes, see six_bit_* in weight_block.cc: of Q4_K and Q5_K sc, m [8][2][32],
            // of Q3_K sc + 32 [16][32]
  kSignedByte,  // Q6_K: sc [16][32]
  kNibbles,     // Q2_K: sc in the low, m in the high four bits [16][32]
};

// Byte offsets of the plane rows inside a group; -1 where the format has no such plane.
struct CodePlanes {
  int byte = -1;  // the first of 8 consecutive rows
  int nibble[4] = {-1, -1, -1, -1};
  int pair[2] = {-1, -1};
  int bit = -1;
};

struct TileLayout {
  Arithmetic arithmetic;
  ScaleCodes scale_codes;
  std::size_t block_elements;  // 32 or 256
  std::size_t header_bytes;
  std::size_t group_bytes;
  CodePlanes planes;
  int code_bits;
  int offset_bits;  // codes are stored plus 2^offset_bits; -1 for none

  constexpr std::size_t groups() const { return block_elements / 32; }
  constexpr std::size_t block_bytes() const { return header_bytes + groups() * group_bytes; }
  constexpr bool has_minimum() const {
    return arithmetic == Arithmetic::kMinimum || arithmetic == Arithmetic::kTwoMinima;
  }
  constexpr bool has_halves() const {
    return arithmetic == Arithmetic::kTwoScales || arithmetic == Arithmetic::kTwoMinima;
  }
};

// Requires: not is_float(format).
constexpr TileLayout tile_layout(WeightFormat format) {
  using enum Arithmetic;
  using enum ScaleCodes;
  constexpr CodePlanes k8{.byte = 0};
  constexpr CodePlanes k4{.nibble = {0, 128, 256, 384}};
  constexpr CodePlanes k5{.nibble = {128, 256, 384, 512}, .bit = 0};
  constexpr CodePlanes k6{.nibble = {128, 256, 512, 640}, .pair = {0, 384}};
  constexpr CodePlanes k2{.pair = {0, 128}};
  constexpr CodePlanes k3{.pair = {128, 256}, .bit = 0};
  switch (format) {
    case WeightFormat::kQ8_0: return {kScale, kNone, 32, 64, 1024, k8, 8, 7};
    case WeightFormat::kQ4_0: return {kScale, kNone, 32, 64, 512, k4, 4, 3};
    case WeightFormat::kQ4_1: return {kMinimum, kNone, 32, 128, 512, k4, 4, -1};
    case WeightFormat::kQ5_0: return {kScale, kNone, 32, 64, 640, k5, 5, 4};
    case WeightFormat::kQ5_1: return {kMinimum, kNone, 32, 128, 640, k5, 5, -1};
    case WeightFormat::kQ2_K: return {kTwoMinima, kNibbles, 256, 640, 256, k2, 2, -1};
    case WeightFormat::kQ3_K: return {kTwoScales, kSixBit, 256, 448, 384, k3, 3, 2};
    case WeightFormat::kQ4_K: return {kMinimum, kSixBit, 256, 512, 512, k4, 4, -1};
    case WeightFormat::kQ5_K: return {kMinimum, kSixBit, 256, 512, 640, k5, 5, -1};
    case WeightFormat::kQ6_K: return {kTwoScales, kSignedByte, 256, 576, 768, k6, 6, 5};
    default: return {};
  }
}

// Bytes of a tile over K inputs.
constexpr std::size_t tile_bytes(WeightFormat format, std::size_t inputs) {
  if (is_float(format)) return inputs * kTileColumns * block_bytes(format);
  const TileLayout layout = tile_layout(format);
  return inputs / layout.block_elements * layout.block_bytes();
}

// Tiles have the file's size: nothing is widened.
constexpr bool tiles_have_file_size() {
  for (WeightFormat format : kWeightFormats)
    if (tile_bytes(format, 256) != kTileColumns * 256 / block_elements(format) * block_bytes(format)) return false;
  return true;
}
static_assert(tiles_have_file_size());

}  // namespace longshore::kernels
