#pragma once

#include <cstddef>
#include <span>

#include "runtime/base/thread_pool.h"
#include "runtime/kernels/isa.h"
#include "runtime/tensor/buffer.h"

namespace longshore::probe {

// What this machine can do at most with all threads of a pool, each measured for some milliseconds: the limits beside
// which figures are printed, taken right before and after them because a shared machine's limits move. Thread: one; spreads
// over the pool.

// Operations per second from registers, a multiply-add being two: on 8-bit integers, and on f32.
double int8_peak(ThreadPool& pool, kernels::Isa isa);
double f32_peak(ThreadPool& pool, kernels::Isa isa);

// Bytes per second of sequential reading. `memory` should be larger than the caches and is read from `*position` on.
double read_bandwidth(ThreadPool& pool, kernels::Isa isa, std::span<const std::byte> memory, std::size_t* position);

struct MachineLimits {
  double read_bytes_per_second = 0;
  double int8_per_second = 0;
  double f32_per_second = 0;
};

// Measures all three again and again, over memory of its own (96 MiB).
class LimitProbe {
 public:
  // `pool` outlives it. Errors: kResourceExhausted (memory).
  static Result<LimitProbe> create(ThreadPool& pool, kernels::Isa isa);
  MachineLimits measure();

 private:
  LimitProbe(ThreadPool& pool, kernels::Isa isa, Buffer memory) : pool_(&pool), isa_(isa), memory_(std::move(memory)) {}

  ThreadPool* pool_;
  kernels::Isa isa_;
  Buffer memory_;
  std::size_t position_ = 0;
};

}  // namespace longshore::probe
