#pragma once

#include <cstdint>
#include <vector>

namespace longshore::kernels::reference {

// The definition of attention, in doubles: one row q [d], already multiplied by the softmax scale, over n
// keys and values [n, d]. With s_j = q . k_j, or softcap * tanh(q . k_j / softcap) where softcap is not 0:
struct AttentionRow {
  std::vector<double> output;    // [d]  sum_j exp(s_j) v_j / sum_j exp(s_j); zeros when n = 0
  std::vector<double> absolute;  // [d]  the same of |v_j|: the size that errors are measured against
  double max = 0;                // largest s_j; -inf when n = 0
  double weight = 0;             // sum_j exp(s_j - max)
};

// Source: Vaswani et al. 2017, equation 1; the cap: Gemma Team 2024 (Gemma 2), logit soft-capping.
AttentionRow attention_row(
    const float* q, const float* keys, const float* values, std::uint32_t n, std::uint32_t d, double softcap);

}  // namespace longshore::kernels::reference
