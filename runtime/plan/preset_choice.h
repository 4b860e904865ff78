#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace longshore {

// The attention that a request asks for: a preset by name, and numbers of it to change. Nothing: the server's default.
struct PresetChoice {
  std::string preset;
  std::map<std::string, std::uint32_t> parameters;
  bool operator==(const PresetChoice&) const = default;
};

}  // namespace longshore
