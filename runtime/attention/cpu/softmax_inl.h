#pragma once

// Logits of one leaf to weights: cap, mask, maximum, exp, sum, each row by itself. Rows go through together only so that
// their chains overlap. The order of everything is in docs/determinism.md.

#include "runtime/attention/cpu/leaf_inl.h"
#include "runtime/kernels/cpu/unrolled_inl.h"

namespace longshore::attention {
namespace {

inline constexpr unsigned kSoftmaxRows = 4;

// Groups of 16 keys [begin, end).
struct GroupRange {
  std::uint32_t begin;
  std::uint32_t end;
};

inline GroupRange groups_of(KeyRange keys) { return {keys.begin / kLanes, (keys.end + kLanes - 1) / kLanes}; }

inline F32x16 masked(F32x16 logit, KeyRange visible, std::uint32_t group) {
  const int first = static_cast<int>(group * kLanes);
  const Mask16 seen = lanes_between(static_cast<int>(visible.begin) - first, static_cast<int>(visible.end) - first);
  return select(seen, logit, broadcast(-__builtin_inff()));
}

template <unsigned kRows, bool kMasked, bool kCapped>
[[gnu::noinline]] void softmax_run(
    float* logits, const KeyRange* visible, GroupRange groups, float softcap, float* max_out, float* weight_out) {
  F32x16 largest[kRows];
  unrolled<kRows>([&](auto r) { largest[r] = broadcast(-__builtin_inff()); });
  for (std::uint32_t g = groups.begin; g < groups.end; ++g) {
    unrolled<kRows>([&](auto r) {
      float* const at = logits + r * kPositions + g * kLanes;
      F32x16 logit = load(at);
      if constexpr (kCapped) logit = mul(broadcast(softcap), kernels::tanh(div(logit, broadcast(softcap))));
      if constexpr (kMasked) logit = masked(logit, visible[r], g);
      if constexpr (kMasked || kCapped) store(at, logit);
      largest[r] = max(largest[r], logit);
    });
  }
  F32x16 base[kRows], weight[kRows];
  unrolled<kRows>([&](auto r) {
    max_out[r] = reduce_max(largest[r]) + 0.0f;  // -0 becomes +0: which zero wins depends on the order
    // A row that sees no key: never -inf minus -inf.
    base[r] = broadcast(max_out[r] == -__builtin_inff() ? 0.0f : max_out[r]);
    weight[r] = zero();
  });
  for (std::uint32_t g = groups.begin; g < groups.end; ++g) {
    float* const at = logits + g * kLanes;
    F32x16 p[kRows];
    unrolled<kRows>([&](auto r) { p[r] = sub(load(at + r * kPositions), base[r]); });
    exp_nonpositive(p);  // +0 for the masked: exp(-inf)
    unrolled<kRows>([&](auto r) {
      weight[r] = add(weight[r], p[r]);
      store(at + r * kPositions, p[r]);
    });
  }
  unrolled<kRows>([&](auto r) { weight_out[r] = reduce_add(weight[r]); });
}

template <unsigned kRows>
inline void softmax_rows(
    std::uint32_t rows, float* logits, const KeyRange* visible, GroupRange groups, float softcap, float* max_out,
    float* weight_out) {
  std::uint32_t row = 0;
  for (; row + kRows <= rows; row += kRows) {
    bool whole = true;
    for (unsigned r = 0; r < kRows; ++r)
      whole &= visible[row + r].begin <= groups.begin * kLanes && visible[row + r].end >= groups.end * kLanes;
    auto* const run = softcap != 0 ? softmax_run<kRows, true, true>
                      : whole      ? softmax_run<kRows, false, false>
                                   : softmax_run<kRows, true, false>;
    run(logits + row * kPositions, visible + row, groups, softcap, max_out + row, weight_out + row);
  }
  if constexpr (kRows > 1) {
    if (row < rows)
      softmax_rows<1>(rows - row, logits + row * kPositions, visible + row, groups, softcap, max_out + row,
                      weight_out + row);
  }
}

// `logits` holds, for each of `rows` rows kPositions apart, logits for `groups`, which contain what the row sees
// (`visible`), and beyond that anything (also NaN); weights replace them, +0 for keys that are not visible. A row that
// sees none has maximum -inf and weight 0.
inline void softmax(
    std::uint32_t rows, float* logits, const KeyRange* visible, GroupRange groups, float softcap, float* max_out,
    float* weight_out) {
  softmax_rows<kSoftmaxRows>(rows, logits, visible, groups, softcap, max_out, weight_out);
}

}  // namespace
}  // namespace longshore::attention
