// Matrix kernels on AVX2 + FMA + F16C: 8 columns per vector.
#include <immintrin.h>

#include "runtime/kernels/cpu/matrix_kernel_tables.h"
#include "runtime/kernels/cpu/tile_product_inl.h"

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
  static constexpr int kInLoopRows = 4;
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

}  // namespace

constexpr MatrixKernels kMatrixKernelsAvx2 = matrix_kernels_of<Vector>(Isa::kAvx2, quantize_row_avx2);

}  // namespace longshore::kernels
