#include "scheduler/batching/prefill_allowance.h"

#include <algorithm>

namespace longshore::batching {
namespace {

// The first value counts whole, each later one by `weight`.
void follow(double& average, double value, double weight, bool is_first) {
  average = is_first ? value : average + weight * (value - average);
}

}  // namespace

PrefillAllowance::PrefillAllowance(double decode_share, std::uint32_t step_tokens)
    : decode_share_(decode_share), step_tokens_(step_tokens) {}

std::uint32_t PrefillAllowance::tokens(std::uint32_t decodes) const {
  const std::uint32_t room = step_tokens_ - decodes;
  if (decode_share_ == 0 || decodes == 0) return room;
  const std::uint32_t change = decodes > decodes_seen_ ? decodes - decodes_seen_ : decodes_seen_ - decodes;
  const bool is_known = change * 8 <= decodes_seen_ && large_steps_ < kLargeStepsMost;
  return std::min(room, is_known ? allowed_ : kLeast);
}

void PrefillAllowance::on_step(std::uint32_t decodes, std::uint32_t prompt_tokens, double seconds) {
  if (seconds <= 0 || decodes + prompt_tokens == 0) return;
  if (decodes > 0 && prompt_tokens <= kLeast) {
    // No more than half of it is the prompt's: what a token adds is known least at first.
    const double alone = std::max(seconds / 2, seconds - prompt_tokens * token_seconds_);
    follow(decode_seconds_, alone, kWeightOfLast, decodes != decodes_seen_);
    decodes_seen_ = decodes;
    large_steps_ = 0;
  } else {
    const double added = std::max(0.0, seconds - (decodes > 0 ? decode_seconds_ : 0)) / prompt_tokens;
    follow(token_seconds_, added, kWeightOfLast, token_seconds_ == 0);
    if (decodes > 0) ++large_steps_;
  }
  if (decodes == 0 || decode_share_ == 0) return;
  const double fitting = token_seconds_ > 0 ? decode_seconds_ * (1 / decode_share_ - 1) / token_seconds_ : step_tokens_;
  const double most = std::min(step_tokens_, 2 * allowed_);
  allowed_ = std::max(kLeast, static_cast<std::uint32_t>(std::min(fitting, most)));
}

}  // namespace longshore::batching
