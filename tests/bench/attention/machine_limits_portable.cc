#include "runtime/kernels/cpu/lanes_portable.h"
#include "tests/bench/attention/machine_limits.h"
#include "tests/bench/attention/machine_limits_inl.h"

namespace longshore::bench {
double run_fma_portable(std::uint64_t rounds) { return run_chains<1>(rounds); }
std::int32_t read_bytes_portable(const void* from, std::size_t bytes) { return read_all(from, bytes); }
}  // namespace longshore::bench
