#pragma once

#include <cstdint>

namespace longshore::batching {

// How many prompt tokens a step may compute beside running sequences, so that these keep a share of their rate: a step
// of decodes alone that takes D seconds may take D / share with prompts. Sarathi-Serve (arXiv 2403.02310) cuts its chunks
// for the same end, by a profile made beforehand; here both costs are learnt from the steps so far, whose times are given.
//
// A step with at most kLeast prompt tokens says what D is, one with more says what a token adds. Few are asked for when the
// number of decodes has changed by more than an eighth since D was seen, and once in a while; from there the allowance
// at most doubles from step to step.
class PrefillAllowance {
 public:
  static constexpr std::uint32_t kLeast = 4;  // however slow they are: prompts advance

  // `decode_share` in [0, 1); 0: as many as a step holds. A step holds `step_tokens` rows in all.
  PrefillAllowance(double decode_share, std::uint32_t step_tokens);

  // Of the next step, which has so many decodes, at most step_tokens of them.
  std::uint32_t tokens(std::uint32_t decodes) const;

  // A step took that long. A step without a time (0) says nothing.
  void on_step(std::uint32_t decodes, std::uint32_t prompt_tokens, double seconds);

 private:
  static constexpr std::uint32_t kLargeStepsMost = 32;  // before D is seen again
  static constexpr double kWeightOfLast = 0.25;

  double decode_share_;
  std::uint32_t step_tokens_;
  std::uint32_t decodes_seen_ = 0;  // when D was seen last; 0: never
  double decode_seconds_ = 0;       // D
  double token_seconds_ = 0;        // that a prompt token adds to a step; 0: not known
  std::uint32_t allowed_ = kLeast;
  std::uint32_t large_steps_ = 0;  // since D was seen
};

}  // namespace longshore::batching
