#include "runtime/kernels/cpu/lanes_portable.h"
#include "tests/bench/attention/fma_peak.h"
#include "tests/bench/attention/fma_peak_inl.h"

namespace longshore::bench {
double run_fma_portable(std::uint64_t rounds) { return run_chains<1>(rounds); }
}  // namespace longshore::bench
