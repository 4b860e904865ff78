#include "runtime/kernels/cpu/lanes_avx512.h"
#include "tests/bench/attention/fma_peak.h"
#include "tests/bench/attention/fma_peak_inl.h"

namespace longshore::bench {
double run_fma_avx512(std::uint64_t rounds) { return run_chains<12>(rounds); }
}  // namespace longshore::bench
