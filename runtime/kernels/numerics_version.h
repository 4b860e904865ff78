#pragma once

#include <cstdint>

namespace longshore::kernels {

// Activations are quantised to the integers -127 .. 127, per row and group of 32 (quantized_rows.h).
inline constexpr int kActivationMax = 127;
// A group whose largest magnitude is below has codes 0: 127 / amax stays below the largest float.
inline constexpr float kSmallestAmax = 0x1p-120f;

// Names the arithmetic of all kernels: every constant and order of operations that decides a bit of a result. It is
// part of every KV block's name and of a node's registration, so peers whose bits would differ never exchange blocks.
// Any change of such a constant or order (kActivationMax, a reduction's order, a polynomial) raises it by one.
inline constexpr std::uint32_t kNumericsVersion = 1;

}  // namespace longshore::kernels
