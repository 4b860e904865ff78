#pragma once

#include <cstdint>

namespace longshore {

// A leaf is the positions [128 i, 128 (i + 1)) of a sequence: the unit inside which attention is summed, and the token
// range of a KvBlock. 128 keeps a row's scores at 512 bytes and the merge below 3 % of a leaf's own time.
inline constexpr std::uint32_t kLeafTokens = 128;

constexpr std::uint32_t leaf_of(std::uint64_t position) { return static_cast<std::uint32_t>(position / kLeafTokens); }
constexpr std::uint32_t leaves_for(std::uint64_t tokens) {
  return static_cast<std::uint32_t>((tokens + kLeafTokens - 1) / kLeafTokens);
}

}  // namespace longshore
