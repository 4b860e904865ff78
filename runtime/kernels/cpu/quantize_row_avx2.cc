// How activations are quantised on every x86, with AVX2: 256 values at a time, whose eight groups share each
// division and each sum over lanes. quantized_rows.h says what.
#include <immintrin.h>

#include "runtime/kernels/cpu/matrix_kernel_tables.h"
#include "runtime/kernels/cpu/unrolled_inl.h"
#include "runtime/kernels/numerics_version.h"

namespace longshore::kernels {
namespace {

constexpr int kGroups = kRun / kGroup;

// Lane g of `low` and of `high`: the lower and the upper four lanes of z[g], combined.
struct Halves {
  __m256i low, high;
};

template <typename Combine>
LONGSHORE_INLINE Halves combine_lanes(const __m256i (&z)[kGroups], const Combine& combine) {
  __m256i pair[4], four[2];
  unrolled<4>([&](auto i) __attribute__((always_inline)) {
    pair[i] =
        combine(_mm256_unpacklo_epi32(z[2 * i], z[2 * i + 1]), _mm256_unpackhi_epi32(z[2 * i], z[2 * i + 1]));
  });
  unrolled<2>([&](auto i) __attribute__((always_inline)) {
    four[i] = combine(_mm256_unpacklo_epi64(pair[2 * i], pair[2 * i + 1]),
                      _mm256_unpackhi_epi64(pair[2 * i], pair[2 * i + 1]));
  });
  return {_mm256_permute2x128_si256(four[0], four[1], 0x20),
          _mm256_permute2x128_si256(four[0], four[1], 0x31)};
}

// The magnitudes' bits, whose order as integers is that of the floats, with infinity and NaN on top: lane g
// of group g.
LONGSHORE_INLINE __m256i largest_of_groups(const float* x) {
  __m256i largest[kGroups];
  unrolled<kGroups>([&](auto g) __attribute__((always_inline)) {
    largest[g] = _mm256_setzero_si256();
    unrolled<4>([&](auto i) __attribute__((always_inline)) {
      const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + kGroup * g + 8 * i));
      largest[g] = _mm256_max_epu32(largest[g], _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)));
    });
  });
  const auto max = [](__m256i a, __m256i b) __attribute__((always_inline)) { return _mm256_max_epu32(a, b); };
  const Halves halves = combine_lanes(largest, max);
  return max(halves.low, halves.high);
}

// The codes of 32 values; |x| <= amax, so they need no clamp. `keep`: all ones, or zero for a group without
// codes.
LONGSHORE_INLINE __m256i codes_of(const float* x, __m256 inverse, __m256i keep) {
  __m256i code[4];
  unrolled<4>([&](auto i) __attribute__((always_inline)) {
    code[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), inverse));
  });
  // Packing interleaves the 128-bit halves: the dwords of code 0..7 | 8..15 | .. come out as 0 4 1 5 2 6 3 7.
  const __m256i packed =
      _mm256_packs_epi16(_mm256_packs_epi32(code[0], code[1]), _mm256_packs_epi32(code[2], code[3]));
  return _mm256_and_si256(_mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)),
                          keep);
}

void store_sums(const __m256i (&lane_sums)[kGroups], ActivationRun& run) {
  const Halves half = combine_lanes(
      lane_sums, [](__m256i a, __m256i b) __attribute__((always_inline)) { return _mm256_add_epi32(a, b); });
  const __m256i sum = _mm256_add_epi32(half.low, half.high), zero = _mm256_setzero_si256();
  _mm256_storeu_ps(run.sum, _mm256_cvtepi32_ps(sum));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(run.negative_sum), _mm256_sub_epi32(zero, sum));
  const __m256i low = _mm256_sub_epi32(zero, half.low), high = _mm256_sub_epi32(zero, half.high);
  const __m256i even = _mm256_unpacklo_epi32(low, high),
                odd = _mm256_unpackhi_epi32(low, high);  // groups 0 1 4 5, 2 3 6 7
  auto* const to = reinterpret_cast<__m256i*>(run.negative_half_sum);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}

void quantize_run(const float* x, ActivationRun& run) {
  const __m256i amax_bits = largest_of_groups(x);
  const __m256 amax = _mm256_castsi256_ps(amax_bits),
               limit = _mm256_set1_ps(static_cast<float>(kActivationMax));
  const __m256i not_finite = _mm256_cmpgt_epi32(amax_bits, _mm256_set1_epi32(0x7f7fffff));
  const __m256i empty = _mm256_or_si256(
      not_finite, _mm256_castps_si256(_mm256_cmp_ps(amax, _mm256_set1_ps(kSmallestAmax), _CMP_LT_OQ)));
  const __m256 scale = _mm256_andnot_ps(_mm256_castsi256_ps(empty), _mm256_div_ps(amax, limit));
  _mm256_storeu_ps(run.scale, _mm256_blendv_ps(scale, _mm256_set1_ps(__builtin_nanf("")),
                                               _mm256_castsi256_ps(not_finite)));
  alignas(32) float inverse[kGroups];
  alignas(32) int keep[kGroups];
  _mm256_store_ps(inverse, _mm256_div_ps(limit, amax));
  _mm256_store_si256(reinterpret_cast<__m256i*>(keep), _mm256_andnot_si256(empty, _mm256_set1_epi32(-1)));
  __m256i lane_sums[kGroups];
  unrolled<kGroups>([&](auto g) __attribute__((always_inline)) {
    const __m256i codes = codes_of(x + kGroup * g, _mm256_set1_ps(inverse[g]), _mm256_set1_epi32(keep[g]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(run.code + kGroup * g), codes);
    lane_sums[g] = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), codes), _mm256_set1_epi16(1));
  });
  store_sums(lane_sums, run);
}

}  // namespace

void quantize_row_avx2(const float* x, std::size_t columns, ActivationRun* first, std::size_t stride) {
  for (; columns >= kRun; columns -= kRun, x += kRun, first += stride) quantize_run(x, *first);
  if (columns == 0) return;
  float padded[kRun] = {};  // groups of zeros are zero
  for (std::size_t i = 0; i < columns; ++i) padded[i] = x[i];
  quantize_run(padded, *first);
}

}  // namespace longshore::kernels
