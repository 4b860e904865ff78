#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace longshore::kernels {

// How the weights of a matrix are stored in a GGUF file: plain floats, or blocks of integer codes with scales.
// Source: the GGUF block definitions ("ggml type"); each is exactly dequantised in reference/dequantize.cc.
enum class WeightFormat : std::uint8_t {
  kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K
};

inline constexpr WeightFormat kWeightFormats[] = {
    WeightFormat::kF32,  WeightFormat::kF16,  WeightFormat::kBF16, WeightFormat::kQ8_0, WeightFormat::kQ4_0,
    WeightFormat::kQ4_1, WeightFormat::kQ5_0, WeightFormat::kQ5_1, WeightFormat::kQ2_K, WeightFormat::kQ3_K,
    WeightFormat::kQ4_K, WeightFormat::kQ5_K, WeightFormat::kQ6_K};

struct WeightFormatTraits {
  WeightFormat format;
  std::string_view name;       // as GGUF tools print it
  std::uint32_t ggml_type;     // the id in a GGUF tensor record
  std::size_t block_elements;  // consecutive elements of a row that share a block; a row is whole blocks
  std::size_t block_bytes;
};

constexpr WeightFormatTraits traits(WeightFormat format) {
  using enum WeightFormat;
  switch (format) {
    case kF32: return {format, "F32", 0, 1, 4};
    case kF16: return {format, "F16", 1, 1, 2};
    case kBF16: return {format, "BF16", 30, 1, 2};
    case kQ8_0: return {format, "Q8_0", 8, 32, 34};
    case kQ4_0: return {format, "Q4_0", 2, 32, 18};
    case kQ4_1: return {format, "Q4_1", 3, 32, 20};
    case kQ5_0: return {format, "Q5_0", 6, 32, 22};
    case kQ5_1: return {format, "Q5_1", 7, 32, 24};
    case kQ2_K: return {format, "Q2_K", 10, 256, 84};
    case kQ3_K: return {format, "Q3_K", 11, 256, 110};
    case kQ4_K: return {format, "Q4_K", 12, 256, 144};
    case kQ5_K: return {format, "Q5_K", 13, 256, 176};
    case kQ6_K: return {format, "Q6_K", 14, 256, 210};
  }
  return {format, "?", ~0u, 1, 0};
}

constexpr std::string_view to_string(WeightFormat format) { return traits(format).name; }
constexpr std::size_t block_elements(WeightFormat format) { return traits(format).block_elements; }
constexpr std::size_t block_bytes(WeightFormat format) { return traits(format).block_bytes; }
constexpr std::uint32_t ggml_type(WeightFormat format) { return traits(format).ggml_type; }

// Plain floats are multiplied as they are, without quantised activations.
constexpr bool is_float(WeightFormat format) { return block_elements(format) == 1; }

// The format of a GGUF tensor record's type id; nothing for a type that we do not compute with.
constexpr std::optional<WeightFormat> weight_format_from_ggml(std::uint32_t type) {
  for (WeightFormat format : kWeightFormats)
    if (ggml_type(format) == type) return format;
  return std::nullopt;
}

}  // namespace longshore::kernels
