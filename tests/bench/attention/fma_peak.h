#pragma once

#include <cstdint>

namespace longshore::bench {

// Each runs fused multiply-adds at the rate of one core and returns how many operations (two each) these
// were.
double run_fma_portable(std::uint64_t rounds);
double run_fma_avx2(std::uint64_t rounds);
double run_fma_avx512(std::uint64_t rounds);

}  // namespace longshore::bench
