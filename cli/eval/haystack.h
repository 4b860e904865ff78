#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "cli/eval/prompt.h"
#include "cli/eval/prompt_encoder.h"
#include "runtime/base/result.h"

namespace longshore::cli::eval {

// A question whose answer stands at one place of a haystack that is as long as the context allows:
//   before, straw, separator, straw, .. needle, .. straw, after.
struct Haystack {
  std::string before;
  std::function<std::string()> straw;  // the next piece; the same sequence of pieces whenever the haystack is the same
  std::string separator;
  std::string needle;
  std::string after;         // with the question
  std::string answer_begin;  // the first words of the answer
  std::string expected;      // digits, in the needle and nowhere else
};

// The prompt with the most straws such that it takes at most context - generate_max tokens, the needle behind the share
// `depth` in [0, 1] of them. Longer haystacks are tried by doubling and then bisection, with the served tokenizer, because
// only that knows how long a text is. Errors: kInvalidArgument where not even one straw fits; those of the tokenizer.
Result<Prompt> fill(const Haystack& haystack, const PromptEncoder& encoder, std::uint32_t context,
                    std::uint32_t generate_max, double depth);

}  // namespace longshore::cli::eval
