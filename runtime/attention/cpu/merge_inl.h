#pragma once

// Adding two partials, and the division at the root.

#include "runtime/attention/cpu/leaf_inl.h"

namespace longshore::attention {
namespace {

// What becomes of one row: keep one side, or scale the sum of the side with the smaller maximum.
struct RowMerge {
  float factor[kLanes];
  bool keep_a[kLanes];  // b's weight is 0
  bool keep_b[kLanes];  // a's weight is 0, b's is not
  bool a_is_big[kLanes];
};

// Maxima and weights of `rows` <= 16 rows; the rest of the lanes repeats harmless zeros.
inline RowMerge merge_scalars(std::uint32_t rows, PartialSpan out, PartialView a, PartialView b) {
  float max_a[kLanes] = {}, max_b[kLanes] = {}, weight_a[kLanes] = {}, weight_b[kLanes] = {};
  for (std::uint32_t r = 0; r < rows; ++r) {
    weight_a[r] = a.weight[r];
    weight_b[r] = b.weight[r];
    if (weight_a[r] != 0) max_a[r] = a.max[r];  // of a side with weight 0 nothing is read
    if (weight_b[r] != 0) max_b[r] = b.max[r];
  }
  const F32x16 big = max(load(max_a), load(max_b));
  const F32x16 small = min(load(max_a), load(max_b));
  const Mask16 a_is_big = less_equal(load(max_b), load(max_a));
  const F32x16 factor = exp_nonpositive(sub(small, big));
  const F32x16 weight_big = select(a_is_big, load(weight_a), load(weight_b));
  const F32x16 weight_small = select(a_is_big, load(weight_b), load(weight_a));
  float merged_max[kLanes], merged_weight[kLanes];
  RowMerge merge;
  store(merged_max, big);
  store(merged_weight, fma(factor, weight_small, weight_big));
  store(merge.factor, factor);
  for (std::uint32_t r = 0; r < rows; ++r) {
    merge.keep_a[r] = weight_b[r] == 0;
    merge.keep_b[r] = weight_a[r] == 0 && weight_b[r] != 0;
    merge.a_is_big[r] = max_b[r] <= max_a[r];
    const float side_max = merge.keep_b[r] ? b.max[r] : a.max[r];
    const bool keep = merge.keep_a[r] || merge.keep_b[r];
    const float side_weight = merge.keep_b[r] ? weight_b[r] : weight_a[r];
    out.max[r] = keep ? side_max : merged_max[r];
    out.weight[r] = keep ? side_weight : merged_weight[r];
  }
  return merge;
}

inline void copy_row(std::uint32_t d, float* out, const float* from) {
  if (out == from) return;
  for (std::uint32_t c = 0; c < d; c += kLanes) store(out + c, load(from + c));
}

void merge_partials(std::uint32_t rows, std::uint32_t d, PartialSpan out, PartialView a, PartialView b) {
  for (std::uint32_t begin = 0; begin < rows; begin += kLanes) {
    const std::uint32_t count = rows - begin < kLanes ? rows - begin : kLanes;
    const RowMerge merge =
        merge_scalars(count, {nullptr, out.max + begin, out.weight + begin},
                      {nullptr, a.max + begin, a.weight + begin}, {nullptr, b.max + begin, b.weight + begin});
    for (std::uint32_t r = 0; r < count; ++r) {
      const std::size_t at = std::size_t{begin + r} * d;
      float* sum = out.sum + at;
      if (merge.keep_a[r]) {
        copy_row(d, sum, a.sum + at);
      } else if (merge.keep_b[r]) {
        copy_row(d, sum, b.sum + at);
      } else {
        const float* big = merge.a_is_big[r] ? a.sum + at : b.sum + at;
        const float* small = merge.a_is_big[r] ? b.sum + at : a.sum + at;
        const F32x16 factor = broadcast(merge.factor[r]);
        for (std::uint32_t c = 0; c < d; c += kLanes)
          store(sum + c, fma(factor, load(small + c), load(big + c)));
      }
    }
  }
}

void normalise_row(std::uint32_t d, const float* sum, float weight, float* out) {
  const F32x16 divisor = broadcast(weight);
  for (std::uint32_t c = 0; c < d; c += kLanes)
    store(out + c, weight == 0 ? zero() : div(load(sum + c), divisor));
}

}  // namespace
}  // namespace longshore::attention
