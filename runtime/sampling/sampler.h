#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/kernels/row_kernels.h"
#include "runtime/plan/sampling_params.h"
#include "runtime/plan/step_outcome.h"

namespace longshore::sampling {

// Which tokens a sequence holds, for penalties. Only needed where `uses_history`. One thread.
class TokenHistory {
 public:
  struct Occurrence {
    bool in_prompt = false;
    std::uint32_t in_output = 0;  // times
  };
  void add_prompt(std::span<const TokenId> tokens);
  void add_output(TokenId token);
  void clear() { tokens_.clear(); }
  const std::unordered_map<TokenId, Occurrence>& tokens() const { return tokens_; }

 private:
  std::unordered_map<TokenId, Occurrence> tokens_;
};

// Whether any penalty is on; otherwise `sample` does not look at the history.
bool uses_history(const SamplingParams& params);

// Draws tokens from logits. What is drawn depends on the arguments alone: the bits of the logits, the parameters, the
// history's counts and the index.
//
// Order: logit_bias is added; end tokens are excluded while index < min_tokens; repetition penalty (z > 0 ? z / r :
// z * r) on prompt and output tokens, then frequency * count and presence are subtracted for output tokens;
// temperature 0 takes the largest (ties to the lower id); else weights exp((z - max) / temperature), of these those of at
// least min_p times the heaviest, of these the top_k heaviest, of these the fewest heaviest that hold top_p of their sum
// (ties to the lower id everywhere); one is drawn with random_uniform(seed, choice, index). Weights are counted in
// units of 2^-38, so that their sums are exact and the same in any order; a lighter token cannot be drawn.
// `ignore_eos` is the business of whoever stops the sequence.
// Source: Holtzman et al. 2020 (top-p), Fan et al. 2018 (top-k), Nguyen et al. 2024 (min-p), Keskar et al. 2019
// (repetition penalty).
//
// Logprobs are natural logarithms of the softmax of the logits as given: before bias, penalties and temperature; the
// exponentials are summed in double in token-id order.
//
// Thread: one thread per Sampler (it owns scratch of V weights).
class Sampler {
 public:
  explicit Sampler(const kernels::RowKernels& kernels) : kernels_(kernels) {}

  // logits [V] as the model gives them; `params` valid; `index` counts the tokens drawn before for this choice.
  // The logprob and alternatives are filled where params.report_logprobs, else 0 and none.
  // Errors: kInternal for a logit that is NaN or +inf, naming it, and where nothing can be drawn; kInvalidArgument for
  // a token of logit_bias, end_tokens or the history outside [0, V).
  Result<ScoredToken> sample(std::span<const float> logits, const SamplingParams& params,
                             const TokenHistory& history, std::uint64_t index);

  // The logprob of a given token and the `top` (at most V) most probable ones, for prompts that are scored. A logit of
  // -inf has logprob -inf. Errors: as sample.
  Result<ScoredToken> score(std::span<const float> logits, TokenId token, std::uint32_t top);

 private:
  struct Candidate {
    TokenId token;
    std::uint64_t weight;  // in units of 2^-38 of the heaviest
  };

  Result<void> adjust(const SamplingParams& params, const TokenHistory& history, std::uint64_t index);
  TokenId draw(const SamplingParams& params, float max, std::uint64_t index);
  template <typename Units>
  TokenId draw_from_all(double u, Units units_of);
  // By falling weight, ties to the lower id.
  static bool heavier(const Candidate& a, const Candidate& b);
  static std::uint64_t sum_of(std::span<const Candidate> candidates);
  // The lightest of the fewest heaviest candidates whose measures sum to `needed`. Linear in the candidates, however
  // flat the distribution is: sums by leading bits of the weight first, then halves the one bucket where it ends.
  template <typename Measure>
  Candidate last_of_heaviest(double needed, Measure measure);
  void keep_down_to(Candidate last);
  void keep_heaviest(std::size_t count);
  void keep_nucleus(float top_p);

  const kernels::RowKernels& kernels_;
  std::vector<float> adjusted_;        // [V] logits after bias and penalties
  std::vector<float> weights_;         // [V]
  std::vector<Candidate> candidates_;  // in token-id order
  std::vector<std::uint64_t> buckets_, chunk_sums_;
  std::vector<Candidate> ranked_;  // those of one bucket
};

}  // namespace longshore::sampling
