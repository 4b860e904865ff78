#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernels/isa.h"

namespace longshore::probe {

// What one core can do at most with an instruction set: loops that wait for nothing and compute nothing of use.
// Requires: this CPU has the instructions.
struct LimitKernels {
  // Fused multiply-adds on f32, a multiple of `rounds`; returns how many operations (two each) these were.
  double (*run_f32)(std::uint64_t rounds);
  // 8-bit multiplications and additions (vpdpbusd; vpmaddubsw and no widening on AVX2); operations, two each.
  double (*run_int8)(std::uint64_t rounds);
  // Reads memory once, in order; `bytes` is a multiple of 256. The result is of no use.
  std::int32_t (*read)(const void* from, std::size_t bytes);
};

const LimitKernels& limit_kernels(kernels::Isa isa);

}  // namespace longshore::probe
