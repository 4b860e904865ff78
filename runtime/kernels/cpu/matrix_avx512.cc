// Matrix kernels on AVX-512 with VNNI: 16 columns per vector, the whole tile (two vectors) at once.
#include <immintrin.h>

#include "runtime/kernels/cpu/matrix_kernel_tables.h"
#include "runtime/kernels/cpu/tile_product_inl.h"

namespace longshore::kernels {
namespace {

struct Vector {
  using Float = __m512;
  using Int = __m512i;
  static constexpr std::size_t kLanes = 16;  // columns, f32 or i32
  static constexpr std::size_t kBytes = 64;
  static constexpr int kVectors = 2;  // of the tile at once: two share each broadcast of activations
  // 6 rows x 2 vectors: 12 integer sums + 12 accumulators + 2 weights + temporaries of 32 registers.
  static constexpr int kPanelRows = 6;
  // 8 x 2: 16 integer sums; most accumulators lie in L1, which costs less than unpacking the codes into a panel.
  static constexpr int kInLoopRows = 8;
  static constexpr int kFloatRows = 4;
  static constexpr bool kSignedBytes = false;

  static Int load(const void* at) { return _mm512_load_si512(at); }
  static void store(void* at, Int z) { _mm512_store_si512(at, z); }
  static Int zero() { return _mm512_setzero_si512(); }
  static Int broadcast_i32(const void* at) { return _mm512_set1_epi32(*static_cast<const std::int32_t*>(at)); }
  template <int kBits>
  static Int shift_left_i32(Int z) {
    return _mm512_slli_epi32(z, kBits);
  }
  template <int kBits>
  static Int shift_left(Int z) {
    return _mm512_slli_epi16(z, kBits);
  }
  template <int kBits>
  static Int shift_right(Int z) {
    return _mm512_srli_epi16(z, kBits);
  }
  static Int and_byte(Int z, int mask) { return _mm512_and_si512(z, _mm512_set1_epi8(static_cast<char>(mask))); }
  // code | (z & mask)
  static Int or_masked(Int code, Int z, int mask) {
    return _mm512_ternarylogic_epi32(z, _mm512_set1_epi8(static_cast<char>(mask)), code, 0xEA);
  }
  static Int bytes_as_codes(Int z) { return z; }
  static Int pinned(Int z) { return z; }  // 32 registers are enough

  // Unsigned codes times signed activations, four neighbours into each lane, without intermediate saturation.
  template <int kCodeBits, int kSteps>
  struct DotSum {
    Int sum;
    void start(Int from) { sum = from; }
    template <int kStep>
    void add(Int codes, Int a) {
      sum = _mm512_dpbusd_epi32(sum, codes, a);
    }
    Int total() const { return sum; }
  };

  static Float broadcast(float value) { return _mm512_set1_ps(value); }
  static Float broadcast(const float* at) { return _mm512_set1_ps(*at); }
  static Float load_f32(const float* at) { return _mm512_load_ps(at); }
  static void store_f32(float* at, Float z) { _mm512_store_ps(at, z); }
  static void store_unaligned(float* at, Float z) { _mm512_storeu_ps(at, z); }
  static Float load_f16(const void* at) { return _mm512_cvtph_ps(_mm256_load_si256(static_cast<const __m256i*>(at))); }
  static Float load_bf16(const void* at) {
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_load_si256(static_cast<const __m256i*>(at))), 16));
  }
  static Float load_u8(const void* at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128(static_cast<const __m128i*>(at))));
  }
  static Float load_i8(const void* at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128(static_cast<const __m128i*>(at))));
  }
  static Float to_f32(Int z) { return _mm512_cvtepi32_ps(z); }
  static Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float negate(Float z) { return _mm512_xor_ps(z, _mm512_set1_ps(-0.0f)); }
};

}  // namespace

constexpr MatrixKernels kMatrixKernelsAvx512 = matrix_kernels_of<Vector>(Isa::kAvx512, quantize_row_avx2);

}  // namespace longshore::kernels
