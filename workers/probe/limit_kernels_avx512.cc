#include "runtime/kernels/cpu/lanes_avx512.h"

// The lanes come first: everything below is compiled against them.

#include "workers/probe/limit_kernels_inl.h"

namespace longshore::probe {
namespace {

double run_int8(std::uint64_t rounds) {
  __m512i sum[kLimitChains];
  unrolled<kLimitChains>([&](auto c) { sum[c] = _mm512_set1_epi32(1); });  // in loops they would lie in memory
  __m512i a = _mm512_set1_epi32(2), b = _mm512_set1_epi32(3);
  for (std::uint64_t i = 0; i < rounds; ++i)
    unrolled<kLimitSteps>([&](auto) {
      unrolled<kLimitChains>([&](auto c) {
        sum[c] = _mm512_dpbusd_epi32(sum[c], a, b);
        asm volatile("" : "+v"(sum[c]));
      });
    });
  unrolled<kLimitChains - 1>([&](auto c) { sum[0] = _mm512_add_epi32(sum[0], sum[c + 1]); });
  volatile int keep = _mm512_cvtsi512_si32(sum[0]);
  (void)keep;
  return 2.0 * 64 * kLimitChains * kLimitSteps * static_cast<double>(rounds);
}

}  // namespace
const LimitKernels kLimitKernelsAvx512{run_f32<12>, run_int8, read_lanes};
}  // namespace longshore::probe
