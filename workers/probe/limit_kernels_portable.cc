#include "runtime/kernels/cpu/lanes_portable.h"

// The lanes come first: everything below is compiled against them.

#include "workers/probe/limit_kernels_inl.h"

namespace longshore::probe {
namespace {

double run_int8(std::uint64_t rounds) {
  std::int32_t sum[kLimitChains] = {};
  std::int8_t a = 3, b = 5;
  for (std::uint64_t i = 0; i < rounds * kLimitSteps; ++i) {
    asm volatile("" : "+r"(a), "+r"(b));
    for (std::int32_t& s : sum) s += a * b;
  }
  for (unsigned c = 1; c < kLimitChains; ++c) sum[0] += sum[c];
  volatile std::int32_t keep = sum[0];
  (void)keep;
  return 2.0 * kLimitChains * kLimitSteps * static_cast<double>(rounds);
}

}  // namespace
const LimitKernels kLimitKernelsPortable{run_f32<6>, run_int8, read_lanes};
}  // namespace longshore::probe
