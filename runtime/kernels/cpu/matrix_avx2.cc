// Matrix kernels on AVX2 + FMA + F16C: 8 columns per vector. Also how activations are quantised on every x86.
#include <immintrin.h>

#include "runtime/kernels/cpu/matrix_kernel_tables.h"
#include "runtime/kernels/cpu/tile_product_inl.h"
#include "runtime/kernels/numerics_version.h"

namespace longshore::kernels {
namespace {

struct Vector {
  using Float = __m256;
  using Int = __m256i;
  static constexpr std::size_t kLanes = 8;
  static constexpr std::size_t kBytes = 32;
  static constexpr int kVectors = 2;  // of the tile's four at once
  // 4 rows x 2 vectors: 8 int16 sums + 2 weights + 1 broadcast of 16 registers; the f32 sums are in L1.
  static constexpr int kPanelRows = 4;
  static constexpr int kInLoopRows = 2;
  static constexpr int kFloatRows = 2;
  static constexpr bool kSignedBytes = true;

  static Int load(const void* at) { return _mm256_load_si256(static_cast<const Int*>(at)); }
  static void store(void* at, Int z) { _mm256_store_si256(static_cast<Int*>(at), z); }
  static Int zero() { return _mm256_setzero_si256(); }
  static Int broadcast_i32(const void* at) { return _mm256_set1_epi32(*static_cast<const std::int32_t*>(at)); }
  template <int kBits>
  static Int shift_left_i32(Int z) {
    return _mm256_slli_epi32(z, kBits);
  }
  template <int kBits>
  static Int shift_left(Int z) {
    return _mm256_slli_epi16(z, kBits);
  }
  template <int kBits>
  static Int shift_right(Int z) {
    return _mm256_srli_epi16(z, kBits);
  }
  static Int and_byte(Int z, int mask) { return _mm256_and_si256(z, _mm256_set1_epi8(static_cast<char>(mask))); }
  static Int or_masked(Int code, Int z, int mask) { return _mm256_or_si256(code, and_byte(z, mask)); }
  // Signed again: unsigned 8-bit codes would saturate below.
  static Int bytes_as_codes(Int z) { return _mm256_xor_si256(z, _mm256_set1_epi8(static_cast<char>(0x80))); }

  // Keeps a value in its register and in its place: g++ 12 otherwise computes ahead and spills int16 sums by the dozen.
  static Int pinned(Int z) {
    asm("" : "+x"(z));
    return z;
  }

  // vpmaddubsw adds two products of unsigned codes and activations in [-127, 127] into int16. So many of its results fit
  // into int16 before they are widened:
  //   up to 4 bits  8 * 2 *  15 * 127 = 30480      6 bits  2 * 2 *  63 * 127 = 32004
  //   5 bits        4 * 2 *  31 * 127 = 31496      8 bits  1 * 2 * 128 * 127 = 32512 with |w| and the sign moved to a
  // (a is never -128, so its sign can be changed).
  template <int kCodeBits, int kSteps>
  struct DotSum {
    static constexpr int kBound = kCodeBits <= 4 ? 8 : kCodeBits == 5 ? 4 : kCodeBits == 6 ? 2 : 1;
    static constexpr int kNarrow = kBound < kSteps ? kBound : kSteps;
    Int sum, narrow;
    void start(Int from) { sum = from; }
    template <int kStep>
    void add(Int codes, Int a) {
      const Int pairs = kCodeBits == 8 ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(a, codes))
                                       : _mm256_maddubs_epi16(codes, a);
      narrow = kStep % kNarrow == 0 ? pairs : _mm256_add_epi16(narrow, pairs);
      narrow = pinned(narrow);
      if (kStep % kNarrow == kNarrow - 1)
        sum = pinned(_mm256_add_epi32(sum, _mm256_madd_epi16(narrow, _mm256_set1_epi16(1))));
    }
    Int total() const { return sum; }
  };

  static Float broadcast(float value) { return _mm256_set1_ps(value); }
  static Float broadcast(const float* at) { return _mm256_broadcast_ss(at); }
  static Float load_f32(const float* at) { return _mm256_load_ps(at); }
  static void store_f32(float* at, Float z) { _mm256_store_ps(at, z); }
  static void store_unaligned(float* at, Float z) { _mm256_storeu_ps(at, z); }
  static Float load_f16(const void* at) { return _mm256_cvtph_ps(_mm_load_si128(static_cast<const __m128i*>(at))); }
  static Float load_bf16(const void* at) {
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_load_si128(static_cast<const __m128i*>(at))), 16));
  }
  static Float load_u8(const void* at) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(at))));
  }
  static Float load_i8(const void* at) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(at))));
  }
  static Float to_f32(Int z) { return _mm256_cvtepi32_ps(z); }
  static Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static Float negate(Float z) { return _mm256_xor_ps(z, _mm256_set1_ps(-0.0f)); }
};

std::uint32_t largest(__m256i z) {
  __m128i m = _mm_max_epu32(_mm256_castsi256_si128(z), _mm256_extracti128_si256(z, 1));
  m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0xb1));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(m));
}

std::int32_t total(__m128i z) {
  z = _mm_add_epi32(z, _mm_shuffle_epi32(z, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(z, _mm_shuffle_epi32(z, 0xb1)));
}

// quantized_rows.h says what; |x| <= amax, so the rounded codes need no clamp.
void quantize_group(const float* x, ActivationRun& run, std::size_t g) {
  __m256 v[4];
  __m256i amax_lanes = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_loadu_ps(x + 8 * i);
    amax_lanes = _mm256_max_epu32(amax_lanes, _mm256_and_si256(_mm256_castps_si256(v[i]), _mm256_set1_epi32(0x7fffffff)));
  }
  const std::uint32_t amax_bits = largest(amax_lanes);
  const float amax = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(amax_bits))));
  const bool finite = amax_bits < 0x7f800000u;
  const bool zero = !finite || amax < 0x1p-120f;
  run.scale[g] = !finite ? __builtin_nanf("") : zero ? 0.0f : amax / static_cast<float>(kActivationMax);
  const __m256 inverse = _mm256_set1_ps(zero ? 0.0f : static_cast<float>(kActivationMax) / amax);
  __m256i code[4];
  for (int i = 0; i < 4; ++i)
    code[i] = zero ? _mm256_setzero_si256() : _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
  // Packing interleaves the 128-bit halves: the dwords of code 0..7 | 8..15 | .. come out as 0 4 1 5 2 6 3 7.
  const __m256i packed = _mm256_permutevar8x32_epi32(
      _mm256_packs_epi16(_mm256_packs_epi32(code[0], code[1]), _mm256_packs_epi32(code[2], code[3])),
      _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(run.code + kGroup * g), packed);
  const __m256i sums = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), packed), _mm256_set1_epi16(1));
  const std::int32_t half[2] = {total(_mm256_castsi256_si128(sums)), total(_mm256_extracti128_si256(sums, 1))};
  run.sum[g] = static_cast<float>(half[0] + half[1]);
  run.negative_sum[g] = -half[0] - half[1];
  run.negative_half_sum[2 * g] = -half[0];
  run.negative_half_sum[2 * g + 1] = -half[1];
}

}  // namespace

void quantize_row_avx2(const float* x, std::size_t columns, ActivationRun* first, std::size_t stride) {
  for (std::size_t k = 0; k < columns; k += kRun, first += stride) {
    const std::size_t groups = (columns - k < kRun ? columns - k : kRun) / kGroup;
    if (groups < 8) __builtin_memset(static_cast<void*>(first), 0, sizeof *first);
    for (std::size_t g = 0; g < groups; ++g) quantize_group(x + k + kGroup * g, *first, g);
  }
}

constexpr MatrixKernels kMatrixKernelsAvx2 = matrix_kernels_of<Vector>(Isa::kAvx2, quantize_row_avx2);

}  // namespace longshore::kernels
