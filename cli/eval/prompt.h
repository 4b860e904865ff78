#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/ids.h"

namespace longshore::cli::eval {

// One question with its haystack, as the model gets it.
struct Prompt {
  std::vector<TokenId> tokens;
  double depth = 0;                        // [0, 1]: where in the haystack the answer stands
  std::uint32_t answer_position = 0;       // index of the first token of the answer that stands there
  std::uint32_t generate_max = 0;          // tokens that an answer may take; tokens.size() + this fits the context
  std::string expected;                    // the digits that are asked for
  std::vector<TokenId> expected_tokens{};  // or, where the answer is no text, the tokens
};

}  // namespace longshore::cli::eval
