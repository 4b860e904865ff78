#include "cli/eval/haystack.h"

#include <cmath>
#include <utility>
#include <vector>

namespace longshore::cli::eval {
namespace {

class Filling {
 public:
  Filling(const Haystack& haystack, const PromptEncoder& encoder, double depth)
      : haystack_(haystack), encoder_(encoder), depth_(depth) {}

  // With so many straws.
  Result<std::vector<TokenId>> encode(std::size_t count) {
    while (straws_.size() < count) straws_.push_back(haystack_.straw());
    const auto before = static_cast<std::size_t>(std::lround(depth_ * static_cast<double>(count)));
    std::string question = haystack_.before;
    for (std::size_t i = 0; i <= count; ++i) {
      if (i > 0) question += haystack_.separator;
      question += i == before ? haystack_.needle : straws_[i < before ? i : i - 1];
    }
    question += haystack_.after;
    return encoder_.encode(question, haystack_.answer_begin);
  }

 private:
  const Haystack& haystack_;
  const PromptEncoder& encoder_;
  double depth_;
  std::vector<std::string> straws_;
};

}  // namespace

Result<Prompt> fill(const Haystack& haystack, const PromptEncoder& encoder, std::uint32_t context,
                    std::uint32_t generate_max, double depth) {
  Filling filling(haystack, encoder, depth);
  Result<std::vector<TokenId>> best = filling.encode(1);
  if (!best) return best.error();
  const std::size_t shortest = best->size() + generate_max;
  if (shortest > context)
    return make_error(ErrorCode::kInvalidArgument, "--context ", context, " is too short for this task: a question takes ",
                      shortest, " tokens with its answer");
  const std::size_t limit = context - generate_max;
  std::size_t fits = 1, exceeds = 2;
  for (bool is_found = false; !is_found || exceeds - fits > 1;) {
    const std::size_t count = is_found ? fits + (exceeds - fits) / 2 : exceeds;
    Result<std::vector<TokenId>> tokens = filling.encode(count);
    if (!tokens) return tokens.error();
    if (tokens->size() > limit) {
      exceeds = count;
      is_found = true;
    } else {
      fits = count;
      if (!is_found) exceeds = 2 * count;
      best = std::move(tokens);
    }
  }
  Prompt prompt{std::move(*best), depth, 0, generate_max, haystack.expected};
  const std::optional<std::uint32_t> position = position_of(encoder.tokenizer(), prompt.tokens, haystack.expected);
  if (!position)
    return make_error(ErrorCode::kFailedPrecondition, "the tokenizer does not give back the digits ", haystack.expected,
                      " of a prompt");
  prompt.answer_position = *position;
  return prompt;
}

}  // namespace longshore::cli::eval
