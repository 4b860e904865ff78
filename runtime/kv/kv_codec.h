#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/base/result.h"
#include "runtime/plan/leaf.h"
#include "runtime/tensor/dtype.h"

namespace longshore::kv {

// How K and V of one KvBlock (128 positions of one layer and one KV head) lie in memory; K first, V right
// behind it.
//
//   f32, f16, bf16   K: 8 groups of 16 keys, each [d][16]               V: [128][d]
//   q8_0             K: 8 groups, each { f16 scale [d/32][16];          V: { f16 scale [128][d/32];
//                                        uint8 [d][16] }                     uint8 [128][d] }
//
// An element of q8_0 is q + 128, q in [-127, 127], and stands for q * scale: kernels widen it faster than an int8.
// Sixteen keys lie side by side, so that a kernel needs no sum across lanes; scales are per position and 32
// dimensions. Both halves are multiples of 64 bytes. Lanes of positions that were never appended may hold
// anything.
struct KvLayout {
  Dtype type = Dtype::kF16;
  std::uint32_t d = 0;  // head dimension

  std::size_t k_bytes() const;
  std::size_t v_bytes() const { return k_bytes(); }
  std::size_t block_bytes() const { return k_bytes() + v_bytes(); }
  std::size_t v_offset() const { return k_bytes(); }

  // Errors: kInvalidArgument unless d is a multiple of 16 (q8_0: of 32) in [16, 1024].
  Result<void> validate() const;
  bool operator==(const KvLayout&) const = default;
};

// Floats of consecutive positions, `stride` floats apart, d of them each.
struct KvRows {
  const float* data = nullptr;
  std::size_t stride = 0;
};

// Writes K and V of positions [slot, slot + count) of a block, rounded to its type once and for all: f16 and
// bf16 to nearest even, saturated to the largest finite value; q8_0 with s = f16(max |x| / 127) over 32
// dimensions of one position and q = x / s rounded to nearest even, clamped to +-127 (0 where s is 0). The
// bytes of a position depend on its own floats alone, so any split into calls gives the same block. Writes
// nothing when it fails. Requires: a valid layout; 64-byte aligned block; slot + count <= 128. Errors:
// kInvalidArgument when a value is NaN or infinite. Thread: one writer per block; readers of other slots may
// run.
Result<void> append(
    const KvLayout& layout, std::byte* block, std::uint32_t slot, std::uint32_t count, KvRows k, KvRows v);

// The f32 values [d] of one position that every attention kernel computes with, exactly.
void decode(const KvLayout& layout, const std::byte* block, std::uint32_t slot, float* k, float* v);

}  // namespace longshore::kv
