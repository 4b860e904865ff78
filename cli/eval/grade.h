#pragma once

#include <span>
#include <string_view>

#include "cli/eval/prompt.h"
#include "cli/eval/task.h"

namespace longshore::cli::eval {

struct Grade {
  bool right = false;
  double score = 0;  // [0, 1]: the share that is right

  bool operator==(const Grade&) const = default;
};

// What an answer is worth. `tokens` were generated, `text` is what they stand for.
//   kPasskey        right if its first number is the one expected, digit for digit
//   kNeedle, kKv    right if one of its numbers is
//   kInduction      the share of the expected tokens in their places; right if all are
// Requires: a task with answers.
Grade grade(Task task, const Prompt& prompt, std::span<const TokenId> tokens, std::string_view text);

}  // namespace longshore::cli::eval
