#pragma once

// The f32 rate of one core, as fused multiply-adds that wait for nothing: the ceiling of prefill. Compiled
// for each instruction set like a kernel; the including file has included a lanes header.

namespace longshore::bench {
namespace {

// Chains times latency fill the pipes: at most 5 cycles and two a cycle. AVX2 needs two registers for a lane
// vector.
template <unsigned kChains>
double run_chains(std::uint64_t rounds) {
  using namespace longshore::kernels;
  F32x16 sum[kChains];
  for (unsigned c = 0; c < kChains; ++c) sum[c] = broadcast(1.0f);
  F32x16 half = broadcast(0.5f);
  asm volatile("" : "+m"(half));  // the compiler must not know its value
  for (std::uint64_t i = 0; i < rounds; ++i)
    for (unsigned c = 0; c < kChains; ++c) sum[c] = fma(sum[c], half, half);
  float total = 0;
  for (unsigned c = 0; c < kChains; ++c) total += reduce_add(sum[c]);
  volatile float keep = total;
  (void)keep;
  return 2.0 * kLanes * kChains * static_cast<double>(rounds);
}

}  // namespace
}  // namespace longshore::bench
