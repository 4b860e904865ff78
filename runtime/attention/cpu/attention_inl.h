#pragma once

// Attention over one leaf, for one instruction set: the .cc that includes this file has included a lanes header and
// set the constants of its registers before. Internal linkage throughout, no inline function of a shared header called.

#include <cstddef>
#include <cstdint>

#include "runtime/attention/attention_kernels.h"
#include "runtime/kernels/cpu/elementary_inl.h"

namespace longshore::attention {
namespace {

// A number that a template can take from a function argument.
template <unsigned kCount>
struct Count {
  static constexpr unsigned value = kCount;
};

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

#include "runtime/attention/cpu/widen_inl.h"
// In this order: each uses the ones before.
#include "runtime/attention/cpu/softmax_inl.h"
//
#include "runtime/attention/cpu/few_rows_inl.h"
#include "runtime/attention/cpu/many_rows_inl.h"
#include "runtime/attention/cpu/merge_inl.h"

namespace longshore::attention {
namespace {

template <typename Codec>
void attend_leaf_of(const LeafTask& task, PartialSpan out, float* scratch) {
  if (task.rows <= kFewRows) {
    attend_few_rows<Codec>(task, out, scratch);
  } else {
    attend_many_rows<Codec>(task, out, scratch);
  }
}

void attend_leaf(const LeafTask& task, PartialSpan out, float* scratch) {
  switch (task.type) {
    case Dtype::kF32: return attend_leaf_of<F32Codec>(task, out, scratch);
    case Dtype::kF16: return attend_leaf_of<F16Codec>(task, out, scratch);
    case Dtype::kBF16: return attend_leaf_of<Bf16Codec>(task, out, scratch);
    case Dtype::kQ8_0: return attend_leaf_of<Q8Codec>(task, out, scratch);
  }
}

}  // namespace
}  // namespace longshore::attention
