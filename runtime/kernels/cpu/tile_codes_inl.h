// From a tile's bytes to what the dot products take: codes by step and scales in f32. A part of tile_product_inl.h;
// V is the vector type of one instruction set (Vector in matrix_avx2.cc and matrix_avx512.cc).
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernels/cpu/unrolled_inl.h"
#include "runtime/kernels/quantized_rows.h"
#include "runtime/kernels/tile_layout.h"

namespace longshore::kernels {
namespace {

// Moves the bits at `kFrom` of each byte to `kTo`; bits that cross a byte are masked by the caller.
template <typename V, int kFrom, int kTo>
LONGSHORE_INLINE typename V::Int move_bits(typename V::Int z) {
  if constexpr (kFrom > kTo) return V::template shift_right<kFrom - kTo>(z);
  if constexpr (kFrom < kTo) return V::template shift_left<kTo - kFrom>(z);
  return z;
}

// The codes of step kStep (4 k of V::kLanes columns), with their offset; `at` is the group plus 4 * first column.
// One load per plane row (shared by the steps in it), one AND for the low bits, a shift and an AND-OR for the others.
template <typename V, WeightFormat kFormat, int kStep>
LONGSHORE_INLINE typename V::Int step_codes(const std::byte* at) {
  constexpr TileLayout kLayout = tile_layout(kFormat);
  constexpr CodePlanes kPlanes = kLayout.planes;
  if constexpr (kPlanes.byte >= 0) return V::bytes_as_codes(V::load(at + kPlanes.byte + kPlaneRowBytes * kStep));
  typename V::Int code = V::zero();
  constexpr int kPairTo = kPlanes.nibble[0] >= 0 ? 4 : 0;
  constexpr int kBitTo = kPairTo + (kPlanes.pair[0] >= 0 ? 2 : 0);
  if constexpr (kPlanes.nibble[0] >= 0)
    code = V::and_byte(move_bits<V, 4 * (kStep % 2), 0>(V::load(at + kPlanes.nibble[kStep / 2])), 0x0f);
  if constexpr (kPlanes.pair[0] >= 0)
    code = V::or_masked(code, move_bits<V, 2 * (kStep % 4), kPairTo>(V::load(at + kPlanes.pair[kStep / 4])), 3 << kPairTo);
  if constexpr (kPlanes.bit >= 0)
    code = V::or_masked(code, move_bits<V, kStep, kBitTo>(V::load(at + kPlanes.bit)), 1 << kBitTo);
  return code;
}

// The f32 scales of up to 8 groups of a tile; with halves two rows per group.
struct alignas(64) RunScales {
  float scale[16][kTileColumns];
  float minimum[16][kTileColumns];
};

// Where a group's scales are read: in the tile itself (blocks of 32), or expanded before (blocks of 256, panels).
template <typename V>
struct TileScales {
  const std::byte* header;
  LONGSHORE_INLINE typename V::Float scale(int, std::size_t column) const { return V::load_f16(header + 2 * column); }
  LONGSHORE_INLINE typename V::Float minimum(int, std::size_t column) const {
    return V::load_f16(header + 2 * (kTileColumns + column));
  }
};

template <typename V>
struct ExpandedScales {
  const float (*scales)[kTileColumns];
  const float (*minima)[kTileColumns];
  LONGSHORE_INLINE typename V::Float scale(int half, std::size_t column) const {
    return V::load_f32(scales[half] + column);
  }
  LONGSHORE_INLINE typename V::Float minimum(int half, std::size_t column) const {
    return V::load_f32(minima[half] + column);
  }
};

// The scale codes of a block of 256 as bytes: six-bit ones [16][32] in order; nibbles as all low, then all high ones.
struct alignas(64) ScaleBytes {
  std::byte low[512];
  std::byte high[512];
};

template <typename V>
void unpack_six_bit(const std::byte* rows, ScaleBytes& bytes) {
  for (std::size_t i = 0; i < 128; i += V::kBytes) {
    typename V::Int last = V::zero();
    unrolled<3>([&](auto r) __attribute__((always_inline)) {
      const typename V::Int z = V::load(rows + 128 * r + i);
      V::store(bytes.low + 128 * r + i, V::and_byte(z, 0x3f));
      last = V::or_masked(last, move_bits<V, 6, 2 * r>(z), 3 << (2 * r));
    });
    V::store(bytes.low + 384 + i, last);
  }
}

template <typename V>
void unpack_nibbles(const std::byte* row, ScaleBytes& bytes) {
  for (std::size_t i = 0; i < 512; i += V::kBytes) {
    const typename V::Int z = V::load(row + i);
    V::store(bytes.low + i, V::and_byte(z, 0x0f));
    V::store(bytes.high + i, V::and_byte(V::template shift_right<4>(z), 0x0f));
  }
}

// Multiplies out the scales of a block of 256 (tile_layout.h): all products are exact.
template <typename V, WeightFormat kFormat>
void expand_scales(const std::byte* block, RunScales& out) {
  constexpr TileLayout kLayout = tile_layout(kFormat);
  const std::byte* const codes = block + 2 * kTileColumns * (kLayout.has_minimum() ? 2 : 1);
  ScaleBytes bytes;
  if constexpr (kLayout.scale_codes == ScaleCodes::kSixBit) unpack_six_bit<V>(codes, bytes);
  if constexpr (kLayout.scale_codes == ScaleCodes::kNibbles) unpack_nibbles<V>(codes, bytes);
  for (std::size_t column = 0; column < kTileColumns; column += V::kLanes) {
    const typename V::Float d = V::load_f16(block + 2 * column);
    typename V::Float m = V::load_f16(block + 2 * (kTileColumns + column));
    if constexpr (kLayout.arithmetic == Arithmetic::kMinimum) m = V::negate(m);
    for (std::size_t i = 0; i < (kLayout.has_halves() ? 16 : 8); ++i) {
      float* const scale = out.scale[i] + column;
      float* const minimum = out.minimum[i] + column;
      if constexpr (kFormat == WeightFormat::kQ6_K) {
        V::store_f32(scale, V::mul(d, V::load_i8(codes + 32 * i + column)));
      } else if constexpr (kFormat == WeightFormat::kQ3_K) {
        V::store_f32(scale, V::mul(d, V::sub(V::load_u8(bytes.low + 32 * i + column), V::broadcast(32.0f))));
      } else if constexpr (kFormat == WeightFormat::kQ2_K) {
        V::store_f32(scale, V::mul(d, V::load_u8(bytes.low + 32 * i + column)));
        V::store_f32(minimum, V::mul(m, V::load_u8(bytes.high + 32 * i + column)));
      } else {
        V::store_f32(scale, V::mul(d, V::load_u8(bytes.low + 64 * i + column)));
        V::store_f32(minimum, V::mul(m, V::load_u8(bytes.low + 64 * i + 32 + column)));
      }
    }
  }
}

}  // namespace
}  // namespace longshore::kernels
