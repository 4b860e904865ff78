#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cli/eval/prompt.h"
#include "runtime/base/result.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/vocabulary_data.h"

namespace longshore::cli::eval {

// Tokens of the answer, and how many a model must have besides for noise.
inline constexpr std::uint32_t kInductionTokens = 6;
inline constexpr std::uint32_t kNoiseTokensMin = 16;

// The tokens that stand for text, ascending: neither control, unknown, byte nor unused tokens. [0, V)
std::vector<TokenId> ordinary_tokens(const text::VocabularyData& vocabulary, const text::Tokenizer& tokenizer);

// Sample `index`: noise, KEY v1 .. v6 at a depth, noise, KEY; the answer is v1 .. v6. All drawn from `ordinary`; KEY and the
// v differ from each other and from the noise, so that the tokens that follow are told by one place only. context tokens
// with the answer. `begin`: BOS, where the model wants one.
// Source: Olsson et al. 2022, "In-context Learning and Induction Heads".
// Errors: kInvalidArgument where context or ordinary tokens are too few.
Result<Prompt> induction_prompt(std::uint64_t seed, std::uint32_t index, std::uint32_t context,
                                std::span<const TokenId> ordinary, std::optional<TokenId> begin);

}  // namespace longshore::cli::eval
