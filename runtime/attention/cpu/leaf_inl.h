#pragma once

// What the kernels of one leaf share. The file that is compiled has included a lanes header first.

#include "runtime/attention/attention_kernels.h"
#include "runtime/kernels/cpu/elementary_inl.h"
#include "runtime/kv/cpu/widen_inl.h"

namespace longshore::attention {
namespace {

using namespace longshore::kernels;
using namespace longshore::kv;

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
