#include "scheduler/batching/prefill_shares.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace longshore::batching {
namespace {

using testing::ElementsAre;

TEST(PrefillSharesTest, GivesAllToTheOnlyOne) { EXPECT_THAT(prefill_shares({1000}, 512), ElementsAre(512)); }

TEST(PrefillSharesTest, LetsAShortPromptPassALongOlderOne) {
  EXPECT_THAT(prefill_shares({10'000, 40}, 512), ElementsAre(472, 40));
}

TEST(PrefillSharesTest, GivesTheOldestHalfAndTheShortestTheRest) {
  EXPECT_THAT(prefill_shares({10'000, 9'000, 300}, 512), ElementsAre(256, 0, 256));
}

TEST(PrefillSharesTest, LetsTheOldestAdvanceWithABudgetOfOneRow) {
  EXPECT_THAT(prefill_shares({100, 1}, 1), ElementsAre(1, 0));
}

TEST(PrefillSharesTest, GivesNobodyMoreThanIsMissing) { EXPECT_THAT(prefill_shares({3, 5, 2}, 512), ElementsAre(3, 5, 2)); }

TEST(PrefillSharesTest, PrefersTheOlderOfTwoEqualOnes) {
  EXPECT_THAT(prefill_shares({500, 100, 100}, 100), ElementsAre(50, 50, 0));
}

TEST(PrefillSharesTest, GivesNothingToNobody) { EXPECT_THAT(prefill_shares({}, 512), ElementsAre()); }

TEST(PrefillSharesTest, GivesNothingWithoutABudget) { EXPECT_THAT(prefill_shares({5, 5}, 0), ElementsAre(0, 0)); }

}  // namespace
}  // namespace longshore::batching
