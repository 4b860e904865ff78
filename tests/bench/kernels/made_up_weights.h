#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/kernels/weight_format.h"

namespace longshore::kernels {

// A tensor as in a GGUF file, to be multiplied for its time alone: random bytes with ordinary f16 scales
// everywhere a scale could be (every 16-bit field below 2^-3 as f16).
inline std::vector<std::byte> made_up_weights(WeightFormat format, std::size_t outputs, std::size_t inputs) {
  std::vector<std::byte> bytes(outputs * inputs / block_elements(format) * block_bytes(format));
  Random random(1);
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    const std::uint64_t bits = random() & 0xafffafffafffafffu;
    std::memcpy(bytes.data() + i, &bits, 8);
  }
  return bytes;
}

}  // namespace longshore::kernels
