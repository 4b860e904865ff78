#pragma once

// What the kernels of one leaf share. The file that is compiled has included a lanes header first.

#include <cstddef>
#include <cstdint>

#include "runtime/attention/attention_kernels.h"
#include "runtime/kernels/cpu/elementary_inl.h"

namespace longshore::attention {
namespace {

using namespace longshore::kernels;

inline constexpr std::uint32_t kPositions = 128;  // of a leaf
inline constexpr std::uint32_t kKeyGroups = kPositions / kLanes;

// The smallest range that holds all rows' ranges; {0, 0} when no row sees a key.
inline KeyRange union_of(const KeyRange* ranges, std::uint32_t count) {
  KeyRange all{UINT32_MAX, 0};
  for (std::uint32_t r = 0; r < count; ++r) {
    if (ranges[r].begin >= ranges[r].end) continue;
    if (ranges[r].begin < all.begin) all.begin = ranges[r].begin;
    if (ranges[r].end > all.end) all.end = ranges[r].end;
  }
  return all.begin < all.end ? all : KeyRange{0, 0};
}

}  // namespace
}  // namespace longshore::attention
