#include "cli/eval/grade.h"

#include <algorithm>

namespace longshore::cli::eval {
namespace {

constexpr std::string_view kDigits = "0123456789";

// Takes the first whole number off the front of `text`; empty where there is none.
std::string_view take_number(std::string_view& text) {
  const std::size_t begin = std::min(text.find_first_of(kDigits), text.size());
  text.remove_prefix(begin);
  const std::string_view number = text.substr(0, std::min(text.find_first_not_of(kDigits), text.size()));
  text.remove_prefix(number.size());
  return number;
}

Grade all_or_nothing(bool right) { return {right, right ? 1.0 : 0.0}; }

}  // namespace

Grade grade(Task task, const Prompt& prompt, std::span<const TokenId> tokens, std::string_view text) {
  if (task == Task::kInduction) {
    std::size_t right = 0;
    for (std::size_t i = 0; i < std::min(tokens.size(), prompt.expected_tokens.size()); ++i)
      right += tokens[i] == prompt.expected_tokens[i] ? 1 : 0;
    const auto all = prompt.expected_tokens.size();
    return {right == all, static_cast<double>(right) / static_cast<double>(all)};
  }
  std::string_view number = take_number(text);
  if (task == Task::kPasskey) return all_or_nothing(number == prompt.expected);
  for (; !number.empty(); number = take_number(text))
    if (number == prompt.expected) return all_or_nothing(true);
  return all_or_nothing(false);
}

}  // namespace longshore::cli::eval
