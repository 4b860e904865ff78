#include "tests/bench/matmul/machine_limits.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace longshore::kernels {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr int kDotRounds = 40000;
constexpr int kChains = 12;  // enough to hide a latency of 5 cycles at two instructions a cycle

// The sums depend on nothing that the compiler knows, and are used.
__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) void dots_avx512(int seed, volatile int* sink) {
  __m512i sum[kChains];
  for (__m512i& s : sum) s = _mm512_set1_epi32(seed);
  __m512i a = _mm512_set1_epi32(seed + 1), b = _mm512_set1_epi32(seed + 2);
  for (int i = 0; i < kDotRounds; ++i)
    for (int c = 0; c < kChains; ++c) {
      sum[c] = _mm512_dpbusd_epi32(sum[c], a, b);
      asm volatile("" : "+v"(sum[c]));
    }
  for (int c = 1; c < kChains; ++c) sum[0] = _mm512_add_epi32(sum[0], sum[c]);
  *sink = _mm512_cvtsi512_si32(sum[0]);
}

// Products into int16 only: what AVX2 multiplies at most.
__attribute__((target("avx2"))) void dots_avx2(int seed, volatile int* sink) {
  __m256i sum[kChains];
  for (__m256i& s : sum) s = _mm256_set1_epi32(seed);
  __m256i b = _mm256_set1_epi32(seed + 2);
  for (int i = 0; i < kDotRounds; ++i)
    for (int c = 0; c < kChains; ++c) {
      sum[c] = _mm256_maddubs_epi16(sum[c], b);
      asm volatile("" : "+x"(sum[c]));
    }
  for (int c = 1; c < kChains; ++c) sum[0] = _mm256_add_epi32(sum[0], sum[c]);
  *sink = _mm256_cvtsi256_si32(sum[0]);
}

__attribute__((target("avx2"))) void read_bytes(const std::byte* from, std::size_t bytes, volatile int* sink) {
  __m256i sum[4] = {};
  for (std::size_t i = 0; i < bytes; i += 128) {
    for (int j = 0; j < 4; ++j)
      sum[j] = _mm256_xor_si256(sum[j], _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i) + j));
    __builtin_prefetch(from + i + 3072);
    __builtin_prefetch(from + i + 3072 + 64);
  }
  *sink = _mm256_cvtsi256_si32(
      _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3])));
}

}  // namespace

double int8_dot_peak(ThreadPool& pool, Isa isa) {
  const Clock::time_point start = Clock::now();
  pool.run([isa](unsigned worker) {
    volatile int sink = 0;
    if (isa == Isa::kAvx512)
      dots_avx512(static_cast<int>(worker), &sink);
    else
      dots_avx2(static_cast<int>(worker), &sink);
  });
  const double lanes = isa == Isa::kAvx512 ? 64 : 32;
  return 2 * lanes * kDotRounds * kChains * pool.threads() / seconds_since(start);
}

double read_bandwidth(ThreadPool& pool, std::span<const std::byte> memory, std::size_t* position) {
  const std::size_t window = std::min<std::size_t>(memory.size(), std::size_t{32} << 20) / 4096 * 4096;
  if (*position + window > memory.size()) *position = 0;
  const std::byte* const from = memory.data() + *position;
  *position += window;
  // Chunks are taken as they come, like the tiles of a product.
  const Clock::time_point start = Clock::now();
  pool.for_each(window / 4096, 64, [from](std::size_t begin, std::size_t end, unsigned) {
    volatile int sink = 0;
    read_bytes(from + 4096 * begin, 4096 * (end - begin), &sink);
  });
  return static_cast<double>(window) / seconds_since(start);
}

}  // namespace longshore::kernels
