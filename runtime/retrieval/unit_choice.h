#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/retrieval/block_means.h"

namespace longshore::retrieval {

// Which units one KV head reads for one token: the `count` of the largest sum, over the rows (the query heads of the group),
// of a softmax over all units (Zhao et al. 2025, InfLLM-V2, arXiv 2509.24663, section 3: shared by the group). Order of
// operations: per row m = the largest logit, p[u] = exp(logit[u] - m), weight in 16 lanes (u mod 16, in order of u, then
// halved), p[u] / weight; then the rows' shares added in order from +0. Equal sums: the lower unit. Memory is kept between
// uses. One thread.
class UnitChoice {
 public:
  // logits: [rows, units], finite. The chosen units, ascending, valid until the next call; all where count >= units.
  std::span<const std::uint32_t> choose(const MeanKernels& kernels, const float* logits, std::uint32_t rows,
                                        std::uint32_t units, std::uint32_t count);

 private:
  std::vector<float> exps_, shares_;
  std::vector<std::uint32_t> order_;
};

}  // namespace longshore::retrieval
