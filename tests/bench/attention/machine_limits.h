#pragma once

#include <cstddef>
#include <cstdint>

// What one core of this machine can do at most, for each instruction set: the ceilings that kernels are
// measured against.
namespace longshore::bench {

// Runs fused multiply-adds that wait for nothing and returns how many operations (two each) these were.
double run_fma_portable(std::uint64_t rounds);
double run_fma_avx2(std::uint64_t rounds);
double run_fma_avx512(std::uint64_t rounds);

// Reads memory once, in order, a cache line at a time; `bytes` is a multiple of 256. The result is of no use.
std::int32_t read_bytes_portable(const void* from, std::size_t bytes);
std::int32_t read_bytes_avx2(const void* from, std::size_t bytes);
std::int32_t read_bytes_avx512(const void* from, std::size_t bytes);

}  // namespace longshore::bench
