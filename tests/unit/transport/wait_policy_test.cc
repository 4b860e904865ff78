#include "transport/wait_policy.h"

#include <gtest/gtest.h>

namespace longshore::transport {
namespace {

using Step = WaitPolicy::Step;
using std::chrono::microseconds;
using std::chrono::seconds;

const WaitPolicy::Time kStart{seconds(1000)};

class WaitPolicyTest : public testing::Test {
 protected:
  // A wait from `start` on that yields once and comes back after `away`: the time of the look after that.
  WaitPolicy::Time yield_once(WaitPolicy::Time start, microseconds away) {
    policy_.begin(start);
    EXPECT_EQ(policy_.next(start + kSpinMax), Step::kYield);
    return start + kSpinMax + away;
  }

  long switches_ = 7;
  WaitPolicy policy_{[this] { return switches_; }};
};

TEST_F(WaitPolicyTest, SpinsThenYieldsThenParks) {
  policy_.begin(kStart);
  WaitPolicy::Time now = kStart;
  for (; now < kStart + kSpinMax; now += microseconds(1)) EXPECT_EQ(policy_.next(now), Step::kSpin);
  for (; now < kStart + kYieldMax; now += microseconds(1)) EXPECT_EQ(policy_.next(now), Step::kYield);
  for (; now < kStart + 3 * kYieldMax; now += microseconds(1)) EXPECT_EQ(policy_.next(now), Step::kPark);
}

TEST_F(WaitPolicyTest, ParksAtOnceForAWhileAfterYieldsGaveTheCoreAway) {
  EXPECT_EQ(policy_.next(yield_once(kStart, kYieldGaveAway)), Step::kYield);  // the first one begins the count
  ++switches_;
  const WaitPolicy::Time crowded = yield_once(kStart + seconds(1), kYieldGaveAway);
  EXPECT_EQ(policy_.next(crowded), Step::kPark);
  const WaitPolicy::Time late = crowded + kCrowdedFor - microseconds(100);
  policy_.begin(late);
  EXPECT_EQ(policy_.next(late), Step::kSpin);
  EXPECT_EQ(policy_.next(late + kSpinMax), Step::kPark);
  policy_.begin(crowded + kCrowdedFor);
  EXPECT_EQ(policy_.next(crowded + kCrowdedFor + kSpinMax), Step::kYield);
}

TEST_F(WaitPolicyTest, AYieldThatOnlyTheHypervisorMadeLongGaveNothingAway) {
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(policy_.next(yield_once(kStart + seconds(i), 2 * kYieldGaveAway)), Step::kYield);
}

TEST_F(WaitPolicyTest, AShortYieldGaveNothingAway) {
  for (int i = 0; i < 5; ++i, ++switches_)
    EXPECT_EQ(policy_.next(yield_once(kStart + seconds(i), kYieldGaveAway - microseconds(1))), Step::kYield);
}

TEST_F(WaitPolicyTest, TimeBetweenWaitsIsNoYield) {
  for (int i = 0; i < 5; ++i, ++switches_) yield_once(kStart + seconds(i), microseconds(1));  // then it came
}

TEST(InvoluntarySwitchesTest, NeverFallsBack) {
  const long before = involuntary_switches();
  EXPECT_GE(before, 0);
  EXPECT_GE(involuntary_switches(), before);
}

}  // namespace
}  // namespace longshore::transport
