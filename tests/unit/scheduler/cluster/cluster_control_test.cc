#include "scheduler/cluster/cluster_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/scheduler/cluster/registrations.h"

namespace longshore::cluster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// One KV head over all attention nodes; none without a compute node.
Result<PlacementPlan> plan_over_all(const std::vector<NodeDescriptor>& nodes, PlanGeneration generation) {
  PlacementPlan plan{generation, {}};
  std::vector<NodeId> pattern;
  bool has_compute = false;
  for (const NodeDescriptor& node : nodes) {
    has_compute |= node.role == NodeRole::kCompute;
    if (node.role == NodeRole::kAttention) pattern.push_back(node.id);
  }
  if (!has_compute) return make_error(ErrorCode::kFailedPrecondition, "no compute node");
  if (!pattern.empty()) plan.holders.push_back(pattern);
  return plan;
}

class ClusterControlTest : public testing::Test {
 protected:
  Lease join(const std::string& name, NodeRole role, int now) {
    auto lease = control_.on_register(registration_of(name, role), at(now), actions_);
    EXPECT_TRUE(lease.has_value());
    leases_[lease->node] = *lease;
    return *lease;
  }
  // All answer what was sent, then a step ends.
  Plan settle() {
    for (const auto& prepare : std::exchange(actions_.prepare, {}))
      control_.on_prepared(prepare.node, leases_[prepare.node].epoch, prepare.plan->generation);
    return control_.on_step_boundary();
  }
  Plan tick_and_settle(int now) {
    control_.tick(at(now), actions_);
    return settle();
  }

  ClusterControl control_{agreement(), {}, plan_over_all, RegistrationEpoch{1000}};
  ClusterActions actions_;
  std::map<NodeId, Lease> leases_;
};

TEST_F(ClusterControlTest, PlansOnceForNodesThatJoinTogether) {
  const Lease compute = join("c", NodeRole::kCompute, 0), a = join("a", NodeRole::kAttention, 50);
  const Lease b = join("b", NodeRole::kAttention, 100);
  control_.tick(at(200), actions_);
  EXPECT_THAT(actions_.prepare, IsEmpty());
  control_.tick(at(250), actions_);
  EXPECT_THAT(actions_.prepare, SizeIs(3));
  const Plan plan = settle();
  ASSERT_NE(plan, nullptr);
  EXPECT_THAT(plan->nodes(), ElementsAre(a.node, b.node));
  EXPECT_TRUE(compute.node < a.node);
}

TEST_F(ClusterControlTest, PlansAgainWhenMoreIsKnownOfItsMembers) {
  join("c", NodeRole::kCompute, 0);
  join("a", NodeRole::kAttention, 0);
  const Plan first = tick_and_settle(300);
  ASSERT_NE(first, nullptr);
  control_.plan_again(at(400));
  EXPECT_EQ(tick_and_settle(500), nullptr);  // what else is learnt now shares the plan
  const Plan second = tick_and_settle(700);
  ASSERT_NE(second, nullptr);
  EXPECT_GT(second->generation.value, first->generation.value);
}

TEST_F(ClusterControlTest, WaitsForAComputeNode) {
  join("a", NodeRole::kAttention, 0);
  EXPECT_EQ(tick_and_settle(1000), nullptr);
  join("c", NodeRole::kCompute, 1100);
  EXPECT_NE(tick_and_settle(1400), nullptr);
}

TEST_F(ClusterControlTest, PlansAtOnceWithoutANodeThatIsLost) {
  const Lease compute = join("c", NodeRole::kCompute, 0), a = join("a", NodeRole::kAttention, 0);
  const Lease b = join("b", NodeRole::kAttention, 0);
  const Plan first = tick_and_settle(300);
  Plan second;
  for (int now = 500; now <= 6000; now += 500) {
    ASSERT_TRUE(control_.on_heartbeat(compute.node, compute.epoch, at(now)).has_value());
    ASSERT_TRUE(control_.on_heartbeat(b.node, b.epoch, at(now)).has_value());
    if (Plan plan = tick_and_settle(now)) second = plan;
  }
  ASSERT_THAT(actions_.lost, SizeIs(1));
  EXPECT_EQ(actions_.lost[0].node.id, a.node);
  ASSERT_NE(second, nullptr);
  EXPECT_GT(second->generation, first->generation);
  EXPECT_THAT(second->nodes(), ElementsAre(b.node));
}

TEST_F(ClusterControlTest, UsesANodeAgainThatIsBack) {
  join("c", NodeRole::kCompute, 0);
  const Lease a = join("a", NodeRole::kAttention, 0);
  tick_and_settle(300);
  const Lease back = join("a", NodeRole::kAttention, 400);  // killed and restarted within its lease
  EXPECT_THAT(actions_.lost, SizeIs(1));
  EXPECT_NE(back.node, a.node);
  const Plan plan = settle();
  ASSERT_NE(plan, nullptr);
  EXPECT_THAT(plan->nodes(), ElementsAre(back.node));
  EXPECT_EQ(tick_and_settle(700), nullptr);  // and one plan is enough
}

TEST_F(ClusterControlTest, LeavesOutANodeThatRefusesForAWhile) {
  const Lease compute = join("c", NodeRole::kCompute, 0), a = join("a", NodeRole::kAttention, 0);
  control_.tick(at(300), actions_);
  const PlanGeneration refused = actions_.prepare.back().plan->generation;
  actions_.prepare.clear();
  control_.on_refused(a.node, a.epoch, {refused, {}}, at(310), actions_);
  EXPECT_THAT(settle()->nodes(), IsEmpty());
  Plan again;
  for (int now = 500; now <= 31'000; now += 500) {
    for (const Lease& lease : {compute, a})
      ASSERT_TRUE(control_.on_heartbeat(lease.node, lease.epoch, at(now)).has_value());
    if (Plan plan = tick_and_settle(now)) again = plan;
  }
  ASSERT_NE(again, nullptr);
  EXPECT_THAT(again->nodes(), ElementsAre(a.node));
}

TEST_F(ClusterControlTest, LeavesOutWhomAComputeNodeCannotReachAndNotTheComputeNode) {
  const Lease compute = join("c", NodeRole::kCompute, 0), a = join("a", NodeRole::kAttention, 0);
  const Lease b = join("b", NodeRole::kAttention, 0);
  control_.tick(at(300), actions_);
  const PlanGeneration refused = actions_.prepare.back().plan->generation;
  actions_.prepare.clear();
  control_.on_refused(compute.node, compute.epoch, {refused, {a.node}}, at(310), actions_);
  EXPECT_THAT(settle()->nodes(), ElementsAre(b.node));
}

TEST_F(ClusterControlTest, PlansAgainWithEverybodyIfWhoeverWasNotReachedHasGone) {
  const Lease compute = join("c", NodeRole::kCompute, 0), a = join("a", NodeRole::kAttention, 0);
  control_.tick(at(300), actions_);
  const PlanGeneration refused = actions_.prepare.back().plan->generation;
  actions_.prepare.clear();
  control_.on_refused(compute.node, compute.epoch, {refused, {NodeId{99}}}, at(310), actions_);
  const Plan plan = settle();
  ASSERT_NE(plan, nullptr);
  EXPECT_THAT(plan->nodes(), ElementsAre(a.node));
}

TEST_F(ClusterControlTest, LeavesOutANodeThatDoesNotAnswer) {
  const Lease compute = join("c", NodeRole::kCompute, 0), a = join("a", NodeRole::kAttention, 0);
  control_.tick(at(300), actions_);
  actions_.prepare.clear();  // lost on the way
  control_.on_prepared(compute.node, compute.epoch, control_.rollout().next()->generation);
  Plan plan;
  for (int now = 500; now <= 6000; now += 500) {
    for (const Lease& lease : {compute, a})
      ASSERT_TRUE(control_.on_heartbeat(lease.node, lease.epoch, at(now)).has_value());
    if (Plan made = tick_and_settle(now)) plan = made;
  }
  ASSERT_NE(plan, nullptr);
  EXPECT_THAT(plan->nodes(), IsEmpty());
}

TEST_F(ClusterControlTest, GoesOnCountingGenerationsOfAnEarlierScheduler) {
  Registration compute = registration_of("c", NodeRole::kCompute);
  compute.generation_seen = PlanGeneration{41};
  const auto lease = control_.on_register(compute, at(0), actions_);
  leases_[lease->node] = *lease;
  EXPECT_EQ(tick_and_settle(300)->generation, PlanGeneration{42});
}

TEST_F(ClusterControlTest, IgnoresAnswersOfALifeThatIsOver) {
  const Lease compute = join("c", NodeRole::kCompute, 0);
  control_.tick(at(300), actions_);
  const PlanGeneration generation = actions_.prepare.back().plan->generation;
  control_.on_prepared(compute.node, RegistrationEpoch{1}, generation);
  EXPECT_EQ(control_.on_step_boundary(), nullptr);
  control_.on_refused(compute.node, RegistrationEpoch{1}, {generation, {}}, at(300), actions_);
  EXPECT_NE(settle(), nullptr);
}

TEST_F(ClusterControlTest, PlansWithoutANodeThatLeaves) {
  join("c", NodeRole::kCompute, 0);
  const Lease a = join("a", NodeRole::kAttention, 0);
  tick_and_settle(300);
  control_.on_leave(a.node, RegistrationEpoch{1}, at(350), actions_);
  EXPECT_THAT(actions_.lost, IsEmpty());
  control_.on_leave(a.node, a.epoch, at(400), actions_);
  EXPECT_THAT(actions_.lost, SizeIs(1));
  EXPECT_THAT(settle()->nodes(), IsEmpty());
}

}  // namespace
}  // namespace longshore::cluster
