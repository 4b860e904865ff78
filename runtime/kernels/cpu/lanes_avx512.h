#pragma once

// Sixteen float lanes in one AVX-512 register: the names and the bits of lanes_portable.h, which documents
// them. Compile with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c (g++ does not take the last two
// as implied).

#include <cstdint>
#include <immintrin.h>

namespace longshore::kernels {
namespace {

inline constexpr unsigned kLanes = 16;

struct F32x16 {
  __m512 all;
};
struct I32x16 {
  __m512i all;
};
struct Mask16 {
  __mmask16 bits;
};

inline F32x16 zero() { return {_mm512_setzero_ps()}; }
inline F32x16 broadcast(float x) { return {_mm512_set1_ps(x)}; }
inline F32x16 load(const float* from) { return {_mm512_loadu_ps(from)}; }
inline void store(float* to, F32x16 a) { _mm512_storeu_ps(to, a.all); }

inline __m256i load_256(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
inline void store_256(void* to, __m256i a) { _mm256_storeu_si256(static_cast<__m256i*>(to), a); }

inline F32x16 load_f16(const std::uint16_t* from) { return {_mm512_cvtph_ps(load_256(from))}; }
inline F32x16 load_f16_halves(const std::uint16_t* low, const std::uint16_t* high) {
  const __m128i l = _mm_loadu_si128(reinterpret_cast<const __m128i*>(low));
  const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(high));
  return {_mm512_cvtph_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(l), h, 1))};
}
inline F32x16 load_bf16(const std::uint16_t* from) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_256(from)), 16))};
}
inline F32x16 lift_u8(const std::uint8_t* from) {
  const __m512i which = _mm512_setr_epi32(0x0000, 0x0100, 0x0200, 0x0300, 0x0400, 0x0500, 0x0600, 0x0700,  //
                                          0x0800, 0x0900, 0x0a00, 0x0b00, 0x0c00, 0x0d00, 0x0e00, 0x0f00);
  const __m512i bytes = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  constexpr __mmask64 kByte1OfEach = 0x2222222222222222;
  return {_mm512_castsi512_ps(
      _mm512_mask_shuffle_epi8(_mm512_set1_epi32(0x47000000), kByte1OfEach, bytes, which))};
}
inline F32x16 broadcast_f16(std::uint16_t h) {
  return {_mm512_cvtph_ps(_mm256_set1_epi16(static_cast<short>(h)))};
}
inline void store_f16(std::uint16_t* to, F32x16 a) {
  // The limit comes first in max and min, so that a NaN passes through.
  const __m512 above = _mm512_max_ps(_mm512_set1_ps(-65504.0f), a.all);
  const __m512 inside = _mm512_min_ps(_mm512_set1_ps(65504.0f), above);
  store_256(to, _mm512_cvtps_ph(inside, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline void store_bf16(std::uint16_t* to, F32x16 a) {
  const __m512i bits = _mm512_castps_si512(a.all);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __m512i chosen =
      _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(a.all, a.all, _CMP_UNORD_Q), quiet);
  store_256(to, _mm512_cvtepi32_epi16(_mm512_srli_epi32(chosen, 16)));
}

inline F32x16 add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.all, b.all)}; }
inline F32x16 sub(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.all, b.all)}; }
inline F32x16 mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.all, b.all)}; }
inline F32x16 div(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.all, b.all)}; }
inline F32x16 sqrt(F32x16 a) { return {_mm512_sqrt_ps(a.all)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.all, b.all, c.all)}; }
inline float fma(float a, float b, float c) {
  return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
}
inline F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.all, b.all)}; }
inline F32x16 min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.all, b.all)}; }
inline F32x16 abs(F32x16 a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.all)}; }
inline F32x16 copy_sign(F32x16 a, F32x16 b) {
  const __m512 sign = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(sign, a.all), _mm512_and_ps(sign, b.all))};
}

inline Mask16 less(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.all, b.all, _CMP_LT_OQ)}; }
inline Mask16 less_equal(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.all, b.all, _CMP_LE_OQ)}; }
inline Mask16 equal(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.all, b.all, _CMP_EQ_OQ)}; }
inline Mask16 lanes_between(int begin, int end) {
  const int from = begin < 0 ? 0 : begin > 16 ? 16 : begin;
  const int to = end < 0 ? 0 : end > 16 ? 16 : end;
  const unsigned below_end = (1u << to) - 1u;
  const unsigned below_begin = (1u << from) - 1u;
  return {static_cast<__mmask16>(below_end & ~below_begin)};
}
inline F32x16 select(Mask16 where, F32x16 a, F32x16 b) {
  return {_mm512_mask_blend_ps(where.bits, b.all, a.all)};
}
inline F32x16 select_or_zero(Mask16 where, F32x16 a) { return {_mm512_maskz_mov_ps(where.bits, a.all)}; }

inline I32x16 broadcast_i32(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
inline I32x16 bits_of(F32x16 a) { return {_mm512_castps_si512(a.all)}; }
inline F32x16 from_bits(I32x16 a) { return {_mm512_castsi512_ps(a.all)}; }
inline I32x16 add(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.all, b.all)}; }
inline I32x16 bit_and(I32x16 a, I32x16 b) { return {_mm512_and_si512(a.all, b.all)}; }
inline I32x16 bit_or(I32x16 a, I32x16 b) { return {_mm512_or_si512(a.all, b.all)}; }
inline I32x16 bit_xor(I32x16 a, I32x16 b) { return {_mm512_xor_si512(a.all, b.all)}; }
template <int kBits>
inline I32x16 shift_left(I32x16 a) {
  return {_mm512_slli_epi32(a.all, kBits)};
}
template <int kBits>
inline I32x16 shift_right(I32x16 a) {
  return {_mm512_srai_epi32(a.all, kBits)};
}
inline F32x16 to_f32(I32x16 a) { return {_mm512_cvtepi32_ps(a.all)}; }
inline I32x16 round_to_i32(F32x16 a) { return {_mm512_cvtps_epi32(a.all)}; }

inline float reduce_add(F32x16 a) {
  const __m256 high = _mm512_extractf32x8_ps(a.all, 1);
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.all), high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float reduce_max(F32x16 a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.all), _mm512_extractf32x8_ps(a.all, 1));
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
