#pragma once

// Sixteen float lanes, the unit in which every float reduction of the CPU kernels is written. This file is
// the meaning; lanes_avx2.h and lanes_avx512.h declare the same names with the same bits. A kernel is one
// source `<op>_inl.h` over these names, compiled once per instruction set by a small .cc that includes one of
// the three headers first. Everything has internal linkage: the linker must never keep one instruction set's
// copy for another (docs/decisions/0001).
//
// Rules: compile with -ffp-contract=off; every fused multiply-add is a call of fma(), nothing else is fused.
// Callers run under set_float_environment() (round to nearest, no flushing). Pointers need the alignment of
// their element only. In kernel sources call no inline function of the standard library, for the same reason
// of linkage.

#include <cstdint>

namespace longshore::kernels {
namespace {

inline constexpr unsigned kLanes = 16;

struct F32x16 {
  float lane[16];
};
struct I32x16 {
  std::int32_t lane[16];
};
// One truth value per lane.
struct Mask16 {
  std::uint16_t bits;
};

template <typename Body>
inline F32x16 per_lane(Body body) {
  F32x16 out;
  for (unsigned l = 0; l < 16; ++l) out.lane[l] = body(l);
  return out;
}
template <typename Body>
inline I32x16 per_int_lane(Body body) {
  I32x16 out;
  for (unsigned l = 0; l < 16; ++l) out.lane[l] = body(l);
  return out;
}
template <typename Body>
inline Mask16 mask_where(Body body) {
  unsigned bits = 0;
  for (unsigned l = 0; l < 16; ++l) bits |= (body(l) ? 1u : 0u) << l;
  return {static_cast<std::uint16_t>(bits)};
}

inline std::uint32_t float_bits(float x) { return __builtin_bit_cast(std::uint32_t, x); }
inline float bits_float(std::uint32_t x) { return __builtin_bit_cast(float, x); }

// Exact.
inline float widen_f16(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
  const std::uint32_t exponent = (h >> 10) & 0x1fu;
  const std::uint32_t fraction = h & 0x3ffu;
  if (exponent == 0x1f) return bits_float(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0) return bits_float(sign | ((exponent + 112) << 23) | (fraction << 13));
  return bits_float(sign | float_bits(static_cast<float>(fraction) * 0x1p-24f));
}
// Round to nearest even, saturated to +-65504; NaN stays a NaN (its payload is not promised).
inline std::uint16_t narrow_f16(float x) {
  const std::uint32_t bits = float_bits(x);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude > 0x477fe000u) magnitude = 0x477fe000u;
  if (magnitude < 0x38800000u) {
    // Adding 1/2 puts the f16 subnormal's last place (2^-24) at f32's last place there, so the sum rounds as
    // wanted.
    const std::uint32_t rounded = float_bits(bits_float(magnitude) + 0.5f) - 0x3f000000u;
    return static_cast<std::uint16_t>(sign | rounded);
  }
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}
inline std::uint16_t narrow_bf16(float x) {
  const std::uint32_t bits = float_bits(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

inline F32x16 zero() {
  return per_lane([](unsigned) { return 0.0f; });
}
inline F32x16 broadcast(float x) {
  return per_lane([x](unsigned) { return x; });
}
inline F32x16 load(const float* from) {
  return per_lane([from](unsigned l) { return from[l]; });
}
inline void store(float* to, F32x16 a) {
  for (unsigned l = 0; l < 16; ++l) to[l] = a.lane[l];
}

// Widening loads, all exact; narrowing stores round to nearest even.
inline F32x16 load_f16(const std::uint16_t* from) {
  return per_lane([from](unsigned l) { return widen_f16(from[l]); });
}
// Lanes 0 to 7 from `low`, 8 to 15 from `high`.
inline F32x16 load_f16_halves(const std::uint16_t* low, const std::uint16_t* high) {
  return per_lane([=](unsigned l) { return widen_f16(l < 8 ? low[l] : high[l - 8]); });
}
inline F32x16 load_bf16(const std::uint16_t* from) {
  return per_lane([from](unsigned l) { return bits_float(static_cast<std::uint32_t>(from[l]) << 16); });
}
// 2^15 + each byte: the byte is put under the exponent of 2^15, which costs less than a conversion.
inline F32x16 lift_u8(const std::uint8_t* from) {
  return per_lane([from](unsigned l) { return bits_float(0x47000000u | static_cast<std::uint32_t>(from[l]) << 8); });
}
inline F32x16 broadcast_f16(std::uint16_t h) { return broadcast(widen_f16(h)); }
inline void store_f16(std::uint16_t* to, F32x16 a) {
  for (unsigned l = 0; l < 16; ++l) to[l] = narrow_f16(a.lane[l]);
}
inline void store_bf16(std::uint16_t* to, F32x16 a) {
  for (unsigned l = 0; l < 16; ++l) to[l] = narrow_bf16(a.lane[l]);
}

inline F32x16 add(F32x16 a, F32x16 b) {
  return per_lane([&](unsigned l) { return a.lane[l] + b.lane[l]; });
}
inline F32x16 sub(F32x16 a, F32x16 b) {
  return per_lane([&](unsigned l) { return a.lane[l] - b.lane[l]; });
}
inline F32x16 mul(F32x16 a, F32x16 b) {
  return per_lane([&](unsigned l) { return a.lane[l] * b.lane[l]; });
}
inline F32x16 div(F32x16 a, F32x16 b) {
  return per_lane([&](unsigned l) { return a.lane[l] / b.lane[l]; });
}
inline F32x16 sqrt(F32x16 a) {
  return per_lane([&](unsigned l) { return __builtin_sqrtf(a.lane[l]); });
}
// a * b + c with one rounding.
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return per_lane([&](unsigned l) { return __builtin_fmaf(a.lane[l], b.lane[l], c.lane[l]); });
}
inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
// a > b ? a : b, hence b when either is NaN or both are zeros (of any sign); min likewise with <.
inline F32x16 max(F32x16 a, F32x16 b) {
  return per_lane([&](unsigned l) { return a.lane[l] > b.lane[l] ? a.lane[l] : b.lane[l]; });
}
inline F32x16 min(F32x16 a, F32x16 b) {
  return per_lane([&](unsigned l) { return a.lane[l] < b.lane[l] ? a.lane[l] : b.lane[l]; });
}
inline F32x16 abs(F32x16 a) {
  return per_lane([&](unsigned l) { return bits_float(float_bits(a.lane[l]) & 0x7fffffffu); });
}
// The magnitude of a with the sign of b.
inline F32x16 copy_sign(F32x16 a, F32x16 b) {
  return per_lane([&](unsigned l) {
    return bits_float((float_bits(a.lane[l]) & 0x7fffffffu) | (float_bits(b.lane[l]) & 0x80000000u));
  });
}

// Comparisons are false where a lane is NaN.
inline Mask16 less(F32x16 a, F32x16 b) {
  return mask_where([&](unsigned l) { return a.lane[l] < b.lane[l]; });
}
inline Mask16 less_equal(F32x16 a, F32x16 b) {
  return mask_where([&](unsigned l) { return a.lane[l] <= b.lane[l]; });
}
inline Mask16 equal(F32x16 a, F32x16 b) {
  return mask_where([&](unsigned l) { return a.lane[l] == b.lane[l]; });
}
// Lanes begin <= l < end; any integers, an empty range gives no lane.
inline Mask16 lanes_between(int begin, int end) {
  return mask_where([=](unsigned l) { return static_cast<int>(l) >= begin && static_cast<int>(l) < end; });
}
// where ? a : b
inline F32x16 select(Mask16 where, F32x16 a, F32x16 b) {
  return per_lane([&](unsigned l) { return (where.bits >> l) & 1u ? a.lane[l] : b.lane[l]; });
}
inline F32x16 select_or_zero(Mask16 where, F32x16 a) { return select(where, a, zero()); }

// Integers: two's complement, wrapping.
inline I32x16 broadcast_i32(std::int32_t x) {
  return per_int_lane([x](unsigned) { return x; });
}
inline I32x16 bits_of(F32x16 a) {
  return per_int_lane([&](unsigned l) { return static_cast<std::int32_t>(float_bits(a.lane[l])); });
}
inline F32x16 from_bits(I32x16 a) {
  return per_lane([&](unsigned l) { return bits_float(static_cast<std::uint32_t>(a.lane[l])); });
}
inline I32x16 add(I32x16 a, I32x16 b) {
  return per_int_lane([&](unsigned l) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(a.lane[l]) +
                                     static_cast<std::uint32_t>(b.lane[l]));
  });
}
inline I32x16 bit_and(I32x16 a, I32x16 b) {
  return per_int_lane([&](unsigned l) { return a.lane[l] & b.lane[l]; });
}
inline I32x16 bit_or(I32x16 a, I32x16 b) {
  return per_int_lane([&](unsigned l) { return a.lane[l] | b.lane[l]; });
}
inline I32x16 bit_xor(I32x16 a, I32x16 b) {
  return per_int_lane([&](unsigned l) { return a.lane[l] ^ b.lane[l]; });
}
template <int kBits>
inline I32x16 shift_left(I32x16 a) {
  return per_int_lane(
      [&](unsigned l) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(a.lane[l]) << kBits); });
}
// Arithmetic: the sign moves in.
template <int kBits>
inline I32x16 shift_right(I32x16 a) {
  return per_int_lane([&](unsigned l) { return a.lane[l] >> kBits; });
}
// Exact below 2^24, to nearest even above.
inline F32x16 to_f32(I32x16 a) {
  return per_lane([&](unsigned l) { return static_cast<float>(a.lane[l]); });
}
// To nearest even. Requires: |a| < 2^22, as the portable form adds 1.5 * 2^23.
inline I32x16 round_to_i32(F32x16 a) {
  return per_int_lane([&](unsigned l) {
    return static_cast<std::int32_t>(float_bits(a.lane[l] + 12582912.0f) - 0x4b400000u);
  });
}

// The one order in which lanes are added: w[l] += w[l+8], then +4, +2, +1.
inline float reduce_add(F32x16 a) {
  for (unsigned half = 8; half > 0; half /= 2) {
    for (unsigned l = 0; l < half; ++l) a.lane[l] = a.lane[l] + a.lane[l + half];
  }
  return a.lane[0];
}
// The largest lane; which zero of two signs comes out, and what a NaN does, is not promised.
inline float reduce_max(F32x16 a) {
  for (unsigned half = 8; half > 0; half /= 2) {
    for (unsigned l = 0; l < half; ++l)
      a.lane[l] = a.lane[l] > a.lane[l + half] ? a.lane[l] : a.lane[l + half];
  }
  return a.lane[0];
}

// Hints only: never change a result.
inline void prefetch(const void* address) { __builtin_prefetch(address, 0, 3); }

}  // namespace
}  // namespace longshore::kernels
