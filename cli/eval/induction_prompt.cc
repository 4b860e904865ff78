#include "cli/eval/induction_prompt.h"

#include <cmath>
#include <utility>

#include "cli/eval/task.h"
#include "runtime/base/random.h"

namespace longshore::cli::eval {

std::vector<TokenId> ordinary_tokens(const text::VocabularyData& vocabulary, const text::Tokenizer& tokenizer) {
  std::vector<TokenId> ordinary;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const auto token = static_cast<TokenId>(id);
    const bool is_normal =
        vocabulary.kinds.empty() || vocabulary.kinds[id] == static_cast<std::int32_t>(text::TokenKind::kNormal);
    if (is_normal && !tokenizer.is_control(token) && !tokenizer.is_end(token)) ordinary.push_back(token);
  }
  return ordinary;
}

Result<Prompt> induction_prompt(std::uint64_t seed, std::uint32_t index, std::uint32_t context,
                                std::span<const TokenId> ordinary, std::optional<TokenId> begin) {
  constexpr std::uint32_t kNamed = 1 + kInductionTokens;  // KEY and the answer
  if (ordinary.size() < kNamed + kNoiseTokensMin)
    return make_error(ErrorCode::kInvalidArgument, "--task induction needs ", kNamed + kNoiseTokensMin,
                      " ordinary tokens; the model has ", ordinary.size());
  const std::uint32_t fixed = (begin ? 1 : 0) + kNamed + 1 + kInductionTokens;
  if (context <= fixed)
    return make_error(ErrorCode::kInvalidArgument, "--context ", context,
                      " is too short for --task induction: it takes more than ", fixed, " tokens");
  Random random(seed, random_stream(Task::kInduction, index));
  std::vector<TokenId> tokens(ordinary.begin(), ordinary.end());
  for (std::uint32_t i = 0; i < kNamed; ++i) std::swap(tokens[i], tokens[i + random.below(tokens.size() - i)]);
  const std::span<const TokenId> named = std::span(tokens).first(kNamed), noise = std::span(tokens).subspan(kNamed);

  Prompt prompt;
  prompt.depth = depth_of(index);
  prompt.generate_max = kInductionTokens;
  prompt.expected_tokens.assign(named.begin() + 1, named.end());
  const std::uint32_t noises = context - fixed;
  const auto before = static_cast<std::uint32_t>(std::lround(prompt.depth * noises));
  if (begin) prompt.tokens.push_back(*begin);
  for (std::uint32_t i = 0; i <= noises; ++i) {
    if (i == before) {
      prompt.answer_position = static_cast<std::uint32_t>(prompt.tokens.size()) + 1;
      prompt.tokens.insert(prompt.tokens.end(), named.begin(), named.end());
    }
    if (i < noises) prompt.tokens.push_back(noise[random.below(noise.size())]);
  }
  prompt.tokens.push_back(named.front());
  return prompt;
}

}  // namespace longshore::cli::eval
