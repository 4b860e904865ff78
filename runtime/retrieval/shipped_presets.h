#pragma once

#include <span>
#include <string_view>

namespace longshore::retrieval {

// A file of presets/, compiled in.
struct ShippedPreset {
  std::string_view file;
  std::string_view toml;
};

std::span<const ShippedPreset> shipped_presets();

}  // namespace longshore::retrieval
