#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"

namespace longshore {

// How the tokens of one choice are drawn. Defaults are the API's. Legal ranges are those that `validate` enforces.
struct SamplingParams {
  float temperature = 1.0f;         // [0, 100]; 0 takes the most probable token, ties to the lower id
  float top_p = 1.0f;               // (0, 1]
  float min_p = 0.0f;               // [0, 1]
  std::uint32_t top_k = 0;          // 0 keeps all
  float presence_penalty = 0.0f;    // [-2, 2], once per token that the output holds
  float frequency_penalty = 0.0f;   // [-2, 2], per occurrence in the output
  float repetition_penalty = 1.0f;  // (0, 100], divides positive and multiplies negative logits of prompt and output tokens
  std::uint64_t seed = 0;           // chosen by the gateway where the request has none
  std::uint32_t choice = 0;         // index of the choice: draw i is a function of (seed, choice, i) alone
  std::uint32_t top_logprobs = 0;   // [0, 20] alternatives to report beside the token
  bool report_logprobs = false;
  bool ignore_eos = false;
  std::uint32_t min_tokens = 0;                           // end tokens cannot be drawn before
  std::vector<std::pair<TokenId, float>> logit_bias{};    // at most 300 entries in [-100, 100]
  std::vector<TokenId> end_tokens{};                      // of the model; not drawn before min_tokens
};

// Errors: kInvalidArgument naming the field, its value and its range.
Result<void> validate(const SamplingParams& params);

}  // namespace longshore
