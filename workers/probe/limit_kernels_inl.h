#pragma once

// Compiled for each instruction set like a kernel: the including file has included a lanes header.

#include "runtime/kernels/cpu/unrolled_inl.h"
#include "workers/probe/limit_kernel_tables.h"

namespace longshore::probe {
namespace {

using namespace longshore::kernels;

// Chains times latency fill the pipes: at most 5 cycles and two a cycle.
inline constexpr unsigned kLimitChains = 12;
// Steps of all chains in one turn of a loop: a loop of one step gave 0.76 of the peak or all of it, depending on where the
// linker put it.
inline constexpr unsigned kLimitSteps = 8;

// AVX2 needs two registers for a lane vector, and so half as many chains.
template <unsigned kChains>
double run_f32(std::uint64_t rounds) {
  F32x16 sum[kChains];
  // Equal chains would be computed once; in loops over them they would lie in memory.
  unrolled<kChains>([&](auto c) { sum[c] = broadcast(1.0f + static_cast<float>(c)); });
  F32x16 half = broadcast(0.5f);
  asm volatile("" : "+m"(half));  // the compiler must not know its value
  for (std::uint64_t i = 0; i < rounds; ++i)
    unrolled<kLimitSteps>([&](auto) { unrolled<kChains>([&](auto c) { sum[c] = fma(sum[c], half, half); }); });
  float total = 0;
  unrolled<kChains>([&](auto c) { total += reduce_add(sum[c]); });
  volatile float keep = total;
  (void)keep;
  return 2.0 * kLanes * kChains * kLimitSteps * static_cast<double>(rounds);
}

std::int32_t read_lanes(const void* from, std::size_t bytes) {
  const float* at = static_cast<const float*>(from);
  I32x16 sum[4] = {broadcast_i32(0), broadcast_i32(0), broadcast_i32(0), broadcast_i32(0)};
  for (std::size_t i = 0; i + 64 <= bytes / sizeof(float); i += 64)
    for (unsigned n = 0; n < 4; ++n) sum[n] = add(sum[n], bits_of(load(at + i + n * kLanes)));
  float lanes[kLanes];
  store(lanes, from_bits(add(add(sum[0], sum[1]), add(sum[2], sum[3]))));
  return __builtin_bit_cast(std::int32_t, lanes[0]);
}

}  // namespace
}  // namespace longshore::probe
