#pragma once

#include <span>

#include "runtime/base/ids.h"

namespace longshore::cli::eval {

// How the distribution of the next token under a preset differs from the dense run's, after the same tokens.
struct RowDistance {
  double kl = 0;          // KL(p_dense || p_preset), nats, >= 0; NaN where a logit is
  bool same_top = false;  // both think the same token most probable, ties to the lower id
  double dense_nll = 0;   // -ln p_dense(next token)
  double preset_nll = 0;
};

// Two rows of logits [V], V the same and at least 1; `next` is the token that did come. Sums are in double and in the order
// of the vocabulary, so equal rows give a distance of exactly 0.
RowDistance compare(std::span<const float> dense, std::span<const float> preset, TokenId next);

}  // namespace longshore::cli::eval
