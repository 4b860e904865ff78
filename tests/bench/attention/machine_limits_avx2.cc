#include "runtime/kernels/cpu/lanes_avx2.h"
#include "tests/bench/attention/machine_limits.h"
#include "tests/bench/attention/machine_limits_inl.h"

namespace longshore::bench {
double run_fma_avx2(std::uint64_t rounds) { return run_chains<6>(rounds); }
std::int32_t read_bytes_avx2(const void* from, std::size_t bytes) { return read_all(from, bytes); }
}  // namespace longshore::bench
