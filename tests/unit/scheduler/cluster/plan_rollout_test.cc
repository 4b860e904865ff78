#include "scheduler/cluster/plan_rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/scheduler/cluster/registrations.h"

namespace longshore::cluster {
namespace {

using testing::ElementsAre;

constexpr NodeId kA{1}, kB{2};

Plan plan_of(std::uint64_t generation) {
  return std::make_shared<const PlacementPlan>(PlacementPlan{PlanGeneration{generation}, {}});
}

class PlanRolloutTest : public testing::Test {
 protected:
  PlanRollout rollout_{std::chrono::seconds(5)};
};

TEST_F(PlanRolloutTest, SwitchesAtAStepBoundaryOnceAllHavePrepared) {
  rollout_.propose(plan_of(1), {kA, kB}, at(0));
  EXPECT_EQ(rollout_.on_step_boundary(), nullptr);
  rollout_.on_prepared(kA, PlanGeneration{1});
  EXPECT_EQ(rollout_.on_step_boundary(), nullptr);
  rollout_.on_prepared(kB, PlanGeneration{1});
  EXPECT_EQ(rollout_.current(), nullptr);
  ASSERT_NE(rollout_.on_step_boundary(), nullptr);
  EXPECT_EQ(rollout_.current()->generation, PlanGeneration{1});
  EXPECT_EQ(rollout_.on_step_boundary(), nullptr);
}

TEST_F(PlanRolloutTest, IgnoresAnswersToAnotherGeneration) {
  rollout_.propose(plan_of(1), {kA}, at(0));
  rollout_.propose(plan_of(2), {kA}, at(0));
  rollout_.on_prepared(kA, PlanGeneration{1});
  EXPECT_FALSE(rollout_.is_ready());
  EXPECT_FALSE(rollout_.on_refused(kA, PlanGeneration{1}));
  rollout_.on_prepared(kA, PlanGeneration{2});
  EXPECT_EQ(rollout_.on_step_boundary()->generation, PlanGeneration{2});
}

TEST_F(PlanRolloutTest, IsGivenUpWhenANodeRefuses) {
  rollout_.propose(plan_of(1), {kA, kB}, at(0));
  EXPECT_TRUE(rollout_.on_refused(kB, PlanGeneration{1}));
  rollout_.on_prepared(kA, PlanGeneration{1});
  rollout_.on_prepared(kB, PlanGeneration{1});
  EXPECT_EQ(rollout_.on_step_boundary(), nullptr);
}

TEST_F(PlanRolloutTest, IsGivenUpWhenANodeIsLostThoughItHadPrepared) {
  rollout_.propose(plan_of(1), {kA}, at(0));
  rollout_.on_prepared(kA, PlanGeneration{1});
  EXPECT_FALSE(rollout_.on_lost(kB));
  EXPECT_TRUE(rollout_.on_lost(kA));
  EXPECT_EQ(rollout_.on_step_boundary(), nullptr);
}

TEST_F(PlanRolloutTest, NamesWhoIsLate) {
  rollout_.propose(plan_of(1), {kA, kB}, at(0));
  rollout_.on_prepared(kA, PlanGeneration{1});
  EXPECT_THAT(rollout_.tick(at(4999)), ElementsAre());
  EXPECT_THAT(rollout_.tick(at(5000)), ElementsAre(kB));
  EXPECT_EQ(rollout_.next(), nullptr);
}

TEST_F(PlanRolloutTest, KeepsTheCurrentPlanWhenTheNextIsGivenUp) {
  rollout_.propose(plan_of(1), {}, at(0));
  ASSERT_NE(rollout_.on_step_boundary(), nullptr);
  rollout_.propose(plan_of(2), {kA}, at(0));
  rollout_.on_lost(kA);
  EXPECT_EQ(rollout_.current()->generation, PlanGeneration{1});
}

}  // namespace
}  // namespace longshore::cluster
