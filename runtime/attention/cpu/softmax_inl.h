#pragma once

// Logits of one row and one leaf to weights: cap, mask, maximum, exp, sum. The order of everything is in
// docs/determinism.md.

#include "runtime/attention/cpu/leaf_inl.h"

namespace longshore::attention {
namespace {

struct RowSums {
  float max;
  float weight;
};

// `row` holds logits for the groups of 16 keys [group_begin, group_end), which contain `visible` and beyond
// it anything (also NaN); weights replace them, +0 for keys that are not visible.
[[gnu::noinline]] RowSums softmax_row(
    float* row, KeyRange visible, std::uint32_t group_begin, std::uint32_t group_end, float softcap) {
  const float lowest = -__builtin_inff();
  if (visible.begin >= visible.end) {  // never -inf minus -inf
    for (std::uint32_t g = group_begin; g < group_end; ++g) store(row + g * kLanes, zero());
    return {lowest, 0.0f};
  }
  F32x16 largest = broadcast(lowest);
  for (std::uint32_t g = group_begin; g < group_end; ++g) {
    F32x16 logit = load(row + g * kLanes);
    if (softcap != 0) logit = mul(broadcast(softcap), kernels::tanh(div(logit, broadcast(softcap))));
    const int first = static_cast<int>(g * kLanes);
    const Mask16 seen =
        lanes_between(static_cast<int>(visible.begin) - first, static_cast<int>(visible.end) - first);
    logit = select(seen, logit, broadcast(lowest));
    largest = max(largest, logit);
    store(row + g * kLanes, logit);
  }
  const float row_max = reduce_max(largest) + 0.0f;  // -0 becomes +0: which zero wins depends on the order
  const F32x16 all_max = broadcast(row_max);
  F32x16 weight = zero();
  for (std::uint32_t g = group_begin; g < group_end; ++g) {
    const F32x16 p = exp_nonpositive(sub(load(row + g * kLanes), all_max));  // +0 for the masked: exp(-inf)
    weight = add(weight, p);
    store(row + g * kLanes, p);
  }
  return {row_max, reduce_add(weight)};
}

}  // namespace
}  // namespace longshore::attention
