#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "tests/kernels/attention/filled_leaves.h"

namespace longshore::attention {

// What a kernel makes of one leaf, for tests that compare.
struct LeafPartial {
  std::vector<float> sum, max, weight;
};

inline LeafPartial attend_leaf(const AttentionKernels& kernels,
                               const kv::KvLayout& layout,
                               const HeldLeaf& leaf,
                               std::span<const float> q,
                               std::span<const KeyRange> visible,
                               float softcap) {
  AttendScratch scratch;
  scratch.reserve({.layout = layout});
  const std::uint32_t rows = static_cast<std::uint32_t>(visible.size());
  LeafPartial out{std::vector<float>(q.size()), std::vector<float>(rows), std::vector<float>(rows)};
  kernels.attend_leaf({layout.type, layout.d, rows, q.data(), visible.data(), softcap, leaf.block, nullptr},
                      {out.sum.data(), out.max.data(), out.weight.data()}, scratch.kernel_floats());
  return out;
}

// Equal as bits: -0 is not +0.
inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}
inline bool same_bits(const LeafPartial& a, const LeafPartial& b) {
  return same_bits(a.sum, b.sum) && same_bits(a.max, b.max) && same_bits(a.weight, b.weight);
}

}  // namespace longshore::attention
