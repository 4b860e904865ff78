#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/plan/step_outcome.h"
#include "scheduler/batching/sequence.h"

namespace longshore::sim {

// A language model in one line: everything it says is a hash of the tokens before, so a token that was run twice,
// never, or in another's place changes all that follows.
inline constexpr std::uint32_t kVocabulary = 97;

// State of the tokens up to and with `token`, from the state before it.
constexpr std::uint64_t state_after(std::uint64_t state, TokenId token) {
  return mix64(state ^ mix64(static_cast<std::uint64_t>(token) + 1));
}
inline TokenId token_after(std::uint64_t state, std::uint64_t seed, std::uint32_t draw) {
  return static_cast<TokenId>(random_bits(seed, draw, state) % kVocabulary);
}
inline float logprob_after(std::uint64_t state, TokenId token) {
  return -static_cast<float>(state_after(state, token) % 1000) / 100.0f;
}

// What a client must see of one request, however it is scheduled.
struct ExpectedStream {
  std::vector<ScoredToken> scores;
  std::vector<ScoredToken> tokens;
  batching::FinishReason finish = batching::FinishReason::kLength;
};

inline ExpectedStream isolated_run(const batching::SequenceRequest& request) {
  ExpectedStream expected;
  std::uint64_t state = 0;
  for (std::size_t i = 0; i < request.prompt.size(); ++i) {
    const TokenId token = request.prompt[i];
    if (request.score_prompt && i > 0) expected.scores.push_back({token, logprob_after(state, token), {}});
    state = state_after(state, token);
  }
  const SamplingParams& sampling = request.sampling;
  for (std::uint32_t draw = 0; draw < request.max_tokens; ++draw) {
    const TokenId token = token_after(state, sampling.seed, draw);
    expected.tokens.push_back({token, logprob_after(state, token), {}});
    const bool ends = !sampling.ignore_eos && draw >= sampling.min_tokens &&
                      std::ranges::find(sampling.end_tokens, token) != sampling.end_tokens.end();
    if (ends) {
      expected.finish = batching::FinishReason::kStop;
      break;
    }
    state = state_after(state, token);
  }
  return expected;
}

}  // namespace longshore::sim
