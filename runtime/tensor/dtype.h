#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace longshore {

// Element types of activations and KV. Weights have formats of their own (runtime/kernels/packed_matrix.h).
enum class Dtype : std::uint8_t { kF32, kF16, kBF16, kQ8_0 };

std::string_view to_string(Dtype dtype);

// Scalar conversions, bit for bit the same as the vector kernels' (and independent of the rounding mode in MXCSR).
// f16 -> f32 and bf16 -> f32 are exact; back, round to nearest even. Conversion to f16 saturates to +-65504 (KV must
// stay finite); NaN stays NaN.
float f16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16_saturated(float value);
inline float bf16_to_f32(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
std::uint16_t f32_to_bf16(float value);

}  // namespace longshore
