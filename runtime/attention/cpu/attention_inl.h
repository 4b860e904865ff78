#pragma once

// Attention over one leaf, for one instruction set: the .cc that includes this file has included a lanes
// header and set the constants of its registers before. Internal linkage throughout, no inline function of a
// shared header called.

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
    case Dtype::kF32:
      return attend_leaf_of<F32Codec>(task, out, scratch);
    case Dtype::kF16:
      return attend_leaf_of<F16Codec>(task, out, scratch);
    case Dtype::kBF16:
      return attend_leaf_of<Bf16Codec>(task, out, scratch);
    case Dtype::kQ8_0:
      return attend_leaf_of<Q8Codec>(task, out, scratch);
  }
}

}  // namespace
}  // namespace longshore::attention
