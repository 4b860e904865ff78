#pragma once

#include <cstddef>
#include <span>

#include "runtime/base/thread_pool.h"
#include "runtime/kernels/isa.h"

namespace longshore::kernels {

// What this machine can do at most with all threads of a pool, measured for about a millisecond: the limits beside
// which a kernel's figure is printed, taken right before or after it because a shared machine's limits move.

// 8-bit multiplications and additions per second, from registers: vpdpbusd, or vpmaddubsw and its widening on AVX2.
double int8_dot_peak(ThreadPool& pool, Isa isa);

// Bytes per second of sequential reading. `memory` should be larger than the caches and is read from `*position` on.
double read_bandwidth(ThreadPool& pool, std::span<const std::byte> memory, std::size_t* position);

}  // namespace longshore::kernels
