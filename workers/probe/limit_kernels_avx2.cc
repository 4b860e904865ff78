#include "runtime/kernels/cpu/lanes_avx2.h"

// The lanes come first: everything below is compiled against them.

#include "workers/probe/limit_kernels_inl.h"

namespace longshore::probe {
namespace {

// Products into int16 only: what AVX2 multiplies at most.
double run_int8(std::uint64_t rounds) {
  __m256i sum[kLimitChains];
  unrolled<kLimitChains>([&](auto c) { sum[c] = _mm256_set1_epi32(1); });  // in loops they would lie in memory
  __m256i b = _mm256_set1_epi32(2);
  for (std::uint64_t i = 0; i < rounds; ++i)
    unrolled<kLimitSteps>([&](auto) {
      unrolled<kLimitChains>([&](auto c) {
        sum[c] = _mm256_maddubs_epi16(sum[c], b);
        asm volatile("" : "+x"(sum[c]));
      });
    });
  unrolled<kLimitChains - 1>([&](auto c) { sum[0] = _mm256_add_epi32(sum[0], sum[c + 1]); });
  volatile int keep = _mm256_cvtsi256_si32(sum[0]);
  (void)keep;
  return 2.0 * 32 * kLimitChains * kLimitSteps * static_cast<double>(rounds);
}

}  // namespace
const LimitKernels kLimitKernelsAvx2{run_f32<6>, run_int8, read_lanes};
}  // namespace longshore::probe
