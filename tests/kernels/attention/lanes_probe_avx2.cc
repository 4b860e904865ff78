#include "runtime/kernels/cpu/lanes_avx2.h"
#include "tests/kernels/attention/lanes_probe_inl.h"

namespace longshore::kernels {
std::uint32_t* probe_lanes_avx2(const LanesInput& in, std::uint32_t* to) { return probe(in, to); }
}  // namespace longshore::kernels
