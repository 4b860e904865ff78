#include "scheduler/batching/prefill_allowance.h"

#include <gtest/gtest.h>

namespace longshore::batching {
namespace {

// A machine that computes a decode row in `row` seconds beside `fixed`, and a prompt token in `token`.
struct Machine {
  double fixed, row, token;
  double step(std::uint32_t decodes, std::uint32_t prompt_tokens) const {
    return (decodes > 0 ? fixed + row * decodes : 0) + token * prompt_tokens;
  }
};

// Runs steps with as many prompt tokens as allowed; the longest of the last half.
double longest_step(PrefillAllowance& allowance, const Machine& machine, std::uint32_t decodes, int steps) {
  double longest = 0;
  for (int i = 0; i < steps; ++i) {
    const std::uint32_t tokens = allowance.tokens(decodes);
    const double seconds = machine.step(decodes, tokens);
    if (i >= steps / 2) longest = std::max(longest, seconds);
    allowance.on_step(decodes, tokens, seconds);
  }
  return longest;
}

constexpr Machine kMachine{0.008, 0.001, 0.0005};

TEST(PrefillAllowance, GivesPromptsAWholeStepWhereNobodyDecodes) {
  PrefillAllowance allowance(0.5, 512);
  EXPECT_EQ(allowance.tokens(0), 512u);
  allowance.on_step(0, 512, 1.0);
  EXPECT_EQ(allowance.tokens(0), 512u);
}

TEST(PrefillAllowance, GivesPromptsAllThatIsLeftWithoutAShare) {
  PrefillAllowance allowance(0, 512);
  allowance.on_step(8, 0, 0.01);
  allowance.on_step(8, 504, 1.0);
  EXPECT_EQ(allowance.tokens(8), 504u);
}

TEST(PrefillAllowance, KeepsTheShareOfTheDecodes) {
  for (const double share : {0.3, 0.5, 0.8}) {
    PrefillAllowance allowance(share, 512);
    allowance.on_step(0, 512, kMachine.step(0, 512));
    const double alone = kMachine.step(8, 0);
    const double longest = longest_step(allowance, kMachine, 8, 100);
    EXPECT_LE(longest, alone / share * 1.001) << share;
    EXPECT_GE(longest, alone / share * 0.95 - kMachine.token) << share;  // and does not waste it
  }
}

TEST(PrefillAllowance, GrowsByDoublingSoThatOneWrongTimeCostsLittle) {
  PrefillAllowance allowance(0.5, 512);
  allowance.on_step(8, 0, 0.016);
  std::uint32_t before = allowance.tokens(8);
  for (int i = 0; i < 10; ++i) {
    allowance.on_step(8, before, 0.016);  // as if prompt tokens cost nothing
    EXPECT_LE(allowance.tokens(8), 2 * before);
    before = allowance.tokens(8);
  }
  EXPECT_EQ(before, 504u);
}

TEST(PrefillAllowance, LooksAgainWhenTheDecodesAreOthers) {
  PrefillAllowance allowance(0.5, 512);
  longest_step(allowance, kMachine, 64, 60);
  EXPECT_GT(allowance.tokens(64), 100u);
  EXPECT_GT(allowance.tokens(60), 100u);
  EXPECT_EQ(allowance.tokens(8), PrefillAllowance::kLeast);
  const double longest = longest_step(allowance, kMachine, 8, 100);
  EXPECT_LE(longest, kMachine.step(8, 0) / 0.5 * 1.001);
}

TEST(PrefillAllowance, FollowsAMachineThatBecomesSlower) {
  PrefillAllowance allowance(0.5, 512);
  longest_step(allowance, kMachine, 8, 100);
  const Machine slower{0.016, 0.002, 0.002};
  EXPECT_LE(longest_step(allowance, slower, 8, 400), slower.step(8, 0) / 0.5 * 1.01);
}

TEST(PrefillAllowance, LetsPromptsAdvanceHoweverSlowTheyAre) {
  PrefillAllowance allowance(0.9, 512);
  longest_step(allowance, {0.001, 0.001, 1.0}, 2, 20);
  EXPECT_EQ(allowance.tokens(2), PrefillAllowance::kLeast);
  EXPECT_EQ(PrefillAllowance(0.5, 2).tokens(1), 1u);  // and never past the step
}

TEST(PrefillAllowance, LearnsNothingFromAStepWithoutATime) {
  PrefillAllowance allowance(0.5, 512);
  allowance.on_step(8, 0, 0);
  allowance.on_step(8, 4, 0);
  EXPECT_EQ(allowance.tokens(8), PrefillAllowance::kLeast);
}

}  // namespace
}  // namespace longshore::batching
