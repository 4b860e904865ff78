#pragma once

#include <cstdint>

namespace longshore::kernels {

struct LanesInput {
  float a[16], b[16], c[16];
  float small[16];  // below 2^22
  std::uint16_t halves[16];
  std::uint8_t bytes[16];
};

// More words than a probe writes.
inline constexpr unsigned kProbeWordsMax = 1024;

// Each writes the results of one lanes header, word by word in one order, and returns where it ended.
std::uint32_t* probe_lanes_portable(const LanesInput& in, std::uint32_t* to);
std::uint32_t* probe_lanes_avx2(const LanesInput& in, std::uint32_t* to);
std::uint32_t* probe_lanes_avx512(const LanesInput& in, std::uint32_t* to);

}  // namespace longshore::kernels
