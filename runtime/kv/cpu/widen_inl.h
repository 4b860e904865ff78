#pragma once

// K and V of one block as f32 lanes, for each type of KvLayout (runtime/kv/kv_codec.h has the picture).
// Widening is exact, also of q8_0 (int8 times f16 needs 19 bits), so one order of arithmetic serves every
// type. The file that is compiled has included a lanes header first.

#include <cstddef>
#include <cstdint>

#include "runtime/kernels/cpu/unrolled_inl.h"

namespace longshore::kv {
namespace {

using namespace longshore::kernels;

inline constexpr std::uint32_t kPositions = 128;  // of a leaf
inline constexpr std::uint32_t kKeyGroups = kPositions / kLanes;
inline constexpr std::uint32_t kScaleSpan = 32;     // dimensions that share a scale in q8_0
inline constexpr std::uint32_t kWidestHead = 1024;  // d at most, as KvLayout says

// Each codec has: half_bytes(d), the bytes of K or of V in a block; kPartBytes of them for 16 positions of 16
// dimensions; Keys, which opens dimensions [16 * part,
// 16 * part + 16) of one group of 16 keys and loads dimension 16 * part + i of all of them; Values, which
// opens the 16 positions from a multiple of 16 on and loads kVectors * 16 columns of one of them, from a multiple of that.
template <typename T, F32x16 (*kLoad)(const T*)>
struct PlainCodec {
  static constexpr std::size_t kPartBytes = kLanes * kLanes * sizeof(T);
  static std::size_t half_bytes(std::uint32_t d) { return std::size_t{kPositions} * d * sizeof(T); }

  struct Keys {
    const T* from;
    void open(const std::byte* block, std::uint32_t d, std::uint32_t group, std::uint32_t part) {
      from = reinterpret_cast<const T*>(block) + (std::size_t{group} * d + part * kLanes) * kLanes;
    }
    F32x16 load(std::uint32_t i) const { return kLoad(from + i * kLanes); }
  };

  struct Values {
    const T* from;
    std::size_t stride;
    Values(const std::byte* block, std::uint32_t d, std::uint32_t first)
        : from(reinterpret_cast<const T*>(block) + (std::size_t{kPositions} + first) * d), stride(d) {}
    template <unsigned kVectors>
    void load(std::uint32_t position, std::uint32_t column, F32x16 (&to)[kVectors]) const {
      const T* at = from + position * stride + column;
      unrolled<kVectors>([&](auto n) { to[n] = kLoad(at + n * kLanes); });
    }
  };
};

inline F32x16 load_f32(const float* from) { return load(from); }

using F32Codec = PlainCodec<float, load_f32>;
using F16Codec = PlainCodec<std::uint16_t, load_f16>;
using Bf16Codec = PlainCodec<std::uint16_t, load_bf16>;

// An element is q + 128 for q in [-127, 127] and stands for q * s, which one fma gives exactly: 2^15 + 128 is 257 *
// 2^7, so its product with an f16 scale has 20 bits, and q * s has 18.
inline F32x16 offset_of(F32x16 scale) { return mul(scale, broadcast(-(0x1p15f + 128))); }

struct Q8Codec {
  static constexpr std::size_t kPartBytes = kLanes * kLanes + kLanes * kLanes / kScaleSpan * 2;  // with its scales
  static std::size_t half_bytes(std::uint32_t d) {
    return std::size_t{kPositions} * (d + d / kScaleSpan * 2);
  }

  struct Keys {
    F32x16 scale, offset;
    const std::uint8_t* from;
    void open(const std::byte* block, std::uint32_t d, std::uint32_t group, std::uint32_t part) {
      const std::byte* group_bytes = block + group * (half_bytes(d) / kKeyGroups);
      scale = load_f16(reinterpret_cast<const std::uint16_t*>(group_bytes) + part / 2 * kLanes);
      offset = offset_of(scale);
      from = reinterpret_cast<const std::uint8_t*>(group_bytes) + d / kScaleSpan * kLanes * 2 +
             part * kLanes * kLanes;
    }
    F32x16 load(std::uint32_t i) const { return fma(lift_u8(from + i * kLanes), scale, offset); }
  };

  // Widens the scales of its positions once: one at a time, that would cost as much as the values.
  struct Values {
    float scales[kLanes * kWidestHead / kScaleSpan];
    float offsets[kLanes * kWidestHead / kScaleSpan];
    const std::uint8_t* from;
    std::size_t stride;
    Values(const std::byte* block, std::uint32_t d, std::uint32_t first) : stride(d) {
      const std::byte* half = block + half_bytes(d);
      const std::size_t per_position = d / kScaleSpan;
      const auto* narrow = reinterpret_cast<const std::uint16_t*>(half) + first * per_position;
      for (std::size_t i = 0; i < per_position; ++i) {
        const F32x16 scale = load_f16(narrow + i * kLanes);
        store(scales + i * kLanes, scale);
        store(offsets + i * kLanes, offset_of(scale));
      }
      from =
          reinterpret_cast<const std::uint8_t*>(half) + kPositions * per_position * 2 + std::size_t{first} * d;
    }
    template <unsigned kVectors>
    void load(std::uint32_t position, std::uint32_t column, F32x16 (&to)[kVectors]) const {
      const std::size_t first = position * stride + column;
      const std::uint8_t* at = from + first;
      const float* scale = scales + first / kScaleSpan;
      const float* offset = offsets + first / kScaleSpan;
      unrolled<kVectors>([&](auto n) {
        constexpr std::size_t kSpan = n * kLanes / kScaleSpan;
        to[n] = fma(lift_u8(at + n * kLanes), broadcast(scale[kSpan]), broadcast(offset[kSpan]));
      });
    }
  };
};

}  // namespace
}  // namespace longshore::kv
