#include "runtime/plan/sampling_params.h"

#include <cmath>
#include <string_view>

namespace longshore {
namespace {

Result<void> check(std::string_view field, float value, bool legal, std::string_view range) {
  if (legal && std::isfinite(value)) return {};
  return make_error(ErrorCode::kInvalidArgument, field, " is ", value, "; it must be in ", range);
}

}  // namespace

Result<void> validate(const SamplingParams& p) {
  for (auto result : {check("temperature", p.temperature, p.temperature >= 0 && p.temperature <= 100, "[0, 100]"),
                      check("top_p", p.top_p, p.top_p > 0 && p.top_p <= 1, "(0, 1]"),
                      check("min_p", p.min_p, p.min_p >= 0 && p.min_p <= 1, "[0, 1]"),
                      check("presence_penalty", p.presence_penalty, std::abs(p.presence_penalty) <= 2, "[-2, 2]"),
                      check("frequency_penalty", p.frequency_penalty, std::abs(p.frequency_penalty) <= 2, "[-2, 2]"),
                      check("repetition_penalty", p.repetition_penalty,
                            p.repetition_penalty > 0 && p.repetition_penalty <= 100, "(0, 100]")})
    if (!result) return result;
  if (p.top_logprobs > 20)
    return make_error(ErrorCode::kInvalidArgument, "top_logprobs is ", p.top_logprobs, "; at most 20 are reported");
  if (p.logit_bias.size() > 300)
    return make_error(ErrorCode::kInvalidArgument, "logit_bias has ", p.logit_bias.size(), " entries; at most 300");
  for (const auto& [token, bias] : p.logit_bias)
    if (!(std::abs(bias) <= 100))
      return make_error(ErrorCode::kInvalidArgument, "logit_bias of token ", token, " is ", bias,
                        "; it must be in [-100, 100]");
  return {};
}

}  // namespace longshore
