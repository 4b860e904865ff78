#include "cli/eval/grade.h"

#include <gtest/gtest.h>

#include <vector>

namespace longshore::cli::eval {
namespace {

bool is_right(Task task, std::string_view answer) {
  Prompt prompt;
  prompt.expected = "12345";
  return grade(task, prompt, {}, answer).right;
}

TEST(Grade, OfAPasskeyTheFirstNumberCounts) {
  EXPECT_TRUE(is_right(Task::kPasskey, " 12345."));
  EXPECT_TRUE(is_right(Task::kPasskey, "12345"));
  EXPECT_TRUE(is_right(Task::kPasskey, ": it is 12345, not 54321"));
  EXPECT_FALSE(is_right(Task::kPasskey, " 123456"));
  EXPECT_FALSE(is_right(Task::kPasskey, " 1234"));
  EXPECT_FALSE(is_right(Task::kPasskey, " 1, or 12345"));
  EXPECT_FALSE(is_right(Task::kPasskey, ""));
}

TEST(Grade, OfANeedleAnyWholeNumberDoes) {
  for (const Task task : {Task::kNeedle, Task::kKv}) {
    EXPECT_TRUE(is_right(task, " 1, or 12345"));
    EXPECT_TRUE(is_right(task, "\"12345\""));
    EXPECT_FALSE(is_right(task, " 9123450"));
    EXPECT_FALSE(is_right(task, "12 345"));
    EXPECT_FALSE(is_right(task, "none"));
  }
}

TEST(Grade, OfInductionEachTokenInItsPlaceCounts) {
  Prompt prompt;
  prompt.expected_tokens = {7, 8, 9, 10};
  const auto of = [&](const std::vector<TokenId>& tokens) { return grade(Task::kInduction, prompt, tokens, ""); };
  EXPECT_EQ(of({7, 8, 9, 10}), (Grade{true, 1}));
  EXPECT_EQ(of({7, 8, 10, 9}), (Grade{false, 0.5}));
  EXPECT_EQ(of({7, 8}), (Grade{false, 0.5}));
  EXPECT_EQ(of({}), (Grade{false, 0}));
}

}  // namespace
}  // namespace longshore::cli::eval
