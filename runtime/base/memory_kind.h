#pragma once

#include <cstdint>

namespace longshore {

// Where memory lies. The device seam: kernels, KV stores and transfers name it, CUDA adds to it.
enum class MemoryKind : std::uint8_t { kHost, kHostPinned, kCuda };

}  // namespace longshore
