#pragma once

// Sixteen float lanes in two AVX2 registers: the names and the bits of lanes_portable.h, which documents
// them. Compile with -mavx2 -mfma -mf16c.

#include <cstdint>
#include <immintrin.h>

namespace longshore::kernels {
namespace {

inline constexpr unsigned kLanes = 16;

struct F32x16 {
  __m256 lo, hi;
};
struct I32x16 {
  __m256i lo, hi;
};
// All bits of a true lane are set.
struct Mask16 {
  __m256 lo, hi;
};

inline F32x16 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline F32x16 broadcast(float x) {
  const __m256 all = _mm256_set1_ps(x);
  return {all, all};
}
inline F32x16 load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
inline void store(float* to, F32x16 a) {
  _mm256_storeu_ps(to, a.lo);
  _mm256_storeu_ps(to + 8, a.hi);
}

inline __m128i load_128(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }
inline void store_128(void* to, __m128i a) { _mm_storeu_si128(static_cast<__m128i*>(to), a); }

inline F32x16 load_f16(const std::uint16_t* from) {
  return {_mm256_cvtph_ps(load_128(from)), _mm256_cvtph_ps(load_128(from + 8))};
}
inline F32x16 load_f16_halves(const std::uint16_t* low, const std::uint16_t* high) {
  return {_mm256_cvtph_ps(load_128(low)), _mm256_cvtph_ps(load_128(high))};
}
inline F32x16 load_bf16(const std::uint16_t* from) {
  const auto widen = [](__m128i half) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
  };
  return {widen(load_128(from)), widen(load_128(from + 8))};
}
inline F32x16 lift_u8(const std::uint8_t* from) {
  // Byte 1 of each lane is a byte of `from`, the others are zeros.
  const __m256i low = _mm256_setr_epi8(-1, 0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, 3, -1, -1,  //
                                       -1, 4, -1, -1, -1, 5, -1, -1, -1, 6, -1, -1, -1, 7, -1, -1);
  const __m256i high = _mm256_add_epi8(low, _mm256_set1_epi32(0x0800));
  const __m256i bytes = _mm256_broadcastsi128_si256(load_128(from));
  const auto lift = [bytes](__m256i which) {
    return _mm256_castsi256_ps(_mm256_or_si256(_mm256_shuffle_epi8(bytes, which), _mm256_set1_epi32(0x47000000)));
  };
  return {lift(low), lift(high)};
}
inline F32x16 broadcast_f16(std::uint16_t h) {
  const __m256 all = _mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(h)));
  return {all, all};
}
inline void store_f16(std::uint16_t* to, F32x16 a) {
  const auto narrow = [](__m256 x) {  // the limit comes first in max and min, so that a NaN passes through
    const __m256 above = _mm256_max_ps(_mm256_set1_ps(-65504.0f), x);
    const __m256 inside = _mm256_min_ps(_mm256_set1_ps(65504.0f), above);
    return _mm256_cvtps_ph(inside, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  };
  store_128(to, narrow(a.lo));
  store_128(to + 8, narrow(a.hi));
}
inline void store_bf16(std::uint16_t* to, F32x16 a) {
  const auto narrow = [](__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    const __m256 chosen = _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet), nan);
    return _mm256_srli_epi32(_mm256_castps_si256(chosen), 16);
  };
  const __m256i packed = _mm256_packus_epi32(narrow(a.lo), narrow(a.hi));  // 128-bit halves interleaved
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(packed, 0xd8));
}

inline F32x16 add(F32x16 a, F32x16 b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline F32x16 sub(F32x16 a, F32x16 b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline F32x16 mul(F32x16 a, F32x16 b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline F32x16 div(F32x16 a, F32x16 b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline F32x16 sqrt(F32x16 a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline float fma(float a, float b, float c) {
  return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
}
inline F32x16 max(F32x16 a, F32x16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline F32x16 min(F32x16 a, F32x16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline F32x16 abs(F32x16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
inline F32x16 copy_sign(F32x16 a, F32x16 b) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(sign, a.lo), _mm256_and_ps(sign, b.lo)),
          _mm256_or_ps(_mm256_andnot_ps(sign, a.hi), _mm256_and_ps(sign, b.hi))};
}

inline Mask16 less(F32x16 a, F32x16 b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
inline Mask16 less_equal(F32x16 a, F32x16 b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LE_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LE_OQ)};
}
inline Mask16 equal(F32x16 a, F32x16 b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ)};
}
inline Mask16 lanes_between(int begin, int end) {
  const auto half = [=](__m256i index) {
    const __m256i too_low = _mm256_cmpgt_epi32(_mm256_set1_epi32(begin), index);
    const __m256i low_enough = _mm256_cmpgt_epi32(_mm256_set1_epi32(end), index);
    return _mm256_castsi256_ps(_mm256_andnot_si256(too_low, low_enough));
  };
  return {half(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
          half(_mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15))};
}
inline F32x16 select(Mask16 where, F32x16 a, F32x16 b) {
  return {_mm256_blendv_ps(b.lo, a.lo, where.lo), _mm256_blendv_ps(b.hi, a.hi, where.hi)};
}
inline F32x16 select_or_zero(Mask16 where, F32x16 a) {
  return {_mm256_and_ps(where.lo, a.lo), _mm256_and_ps(where.hi, a.hi)};
}

inline I32x16 broadcast_i32(std::int32_t x) {
  const __m256i all = _mm256_set1_epi32(x);
  return {all, all};
}
inline I32x16 bits_of(F32x16 a) { return {_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
inline F32x16 from_bits(I32x16 a) { return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }
inline I32x16 add(I32x16 a, I32x16 b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
inline I32x16 bit_and(I32x16 a, I32x16 b) {
  return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
inline I32x16 bit_or(I32x16 a, I32x16 b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
inline I32x16 bit_xor(I32x16 a, I32x16 b) {
  return {_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)};
}
template <int kBits>
inline I32x16 shift_left(I32x16 a) {
  return {_mm256_slli_epi32(a.lo, kBits), _mm256_slli_epi32(a.hi, kBits)};
}
template <int kBits>
inline I32x16 shift_right(I32x16 a) {
  return {_mm256_srai_epi32(a.lo, kBits), _mm256_srai_epi32(a.hi, kBits)};
}
inline F32x16 to_f32(I32x16 a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
inline I32x16 round_to_i32(F32x16 a) { return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)}; }

inline float reduce_add(F32x16 a) {
  const __m256 eight = _mm256_add_ps(a.lo, a.hi);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float reduce_max(F32x16 a) {
  const __m256 eight = _mm256_max_ps(a.lo, a.hi);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

inline void prefetch(const void* address) {
  // g++ takes a function that only calls _mm_prefetch for one without effects, and drops calls of it.
  asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(address)));
}

}  // namespace
}  // namespace longshore::kernels
