#include "scheduler/cluster/cluster_control.h"

#include <algorithm>
#include <set>
#include <utility>

namespace longshore::cluster {

ClusterControl::ClusterControl(const Agreement& agreement, const ClusterOptions& options, PlanMaker make_plan,
                               RegistrationEpoch first_epoch)
    : options_(options),
      make_plan_(std::move(make_plan)),
      membership_(agreement, options.detector, first_epoch),
      rollout_(options.prepare_max) {}

Result<Lease> ClusterControl::on_register(const Registration& registration, TimePoint now, ClusterActions& actions) {
  auto joined = membership_.on_register(registration, now);
  if (!joined) return joined.error();
  generation_ = std::max(generation_, registration.generation_seen);
  if (!plan_at_) plan_at_ = now + options_.settle;
  lose(std::move(joined->replaced), now, actions);  // which plans at once, if it is an earlier life of this node
  return joined->lease;
}

Result<void> ClusterControl::on_heartbeat(NodeId node, RegistrationEpoch epoch, TimePoint now) {
  return membership_.on_heartbeat(node, epoch, now);
}

void ClusterControl::on_leave(NodeId node, RegistrationEpoch epoch, TimePoint now, ClusterActions& actions) {
  if (!membership_.is_member(node, epoch)) return;
  Member member = membership_.members().at(node);
  membership_.on_leave(node, epoch);
  lose({std::move(member)}, now, actions);
}

void ClusterControl::on_prepared(NodeId node, RegistrationEpoch epoch, PlanGeneration generation) {
  if (membership_.is_member(node, epoch)) rollout_.on_prepared(node, generation);
}

void ClusterControl::on_refused(NodeId node, RegistrationEpoch epoch, const Refusal& refusal, TimePoint now,
                                ClusterActions& actions) {
  if (!membership_.is_member(node, epoch) || !rollout_.on_refused(node, refusal.generation)) return;
  if (refusal.unreachable.empty()) exclude(node, now);
  for (const NodeId culprit : refusal.unreachable)
    if (membership_.members().contains(culprit)) exclude(culprit, now);
  plan_now(now, actions);
}

void ClusterControl::tick(TimePoint now, ClusterActions& actions) {
  lose(membership_.tick(now), now, actions);
  for (auto it = excluded_until_.begin(); it != excluded_until_.end();) {
    if (it->second > now) {
      ++it;
      continue;
    }
    it = excluded_until_.erase(it);  // gets another chance
    if (!plan_at_) plan_at_ = now;
  }
  if (const std::vector<NodeId> late = rollout_.tick(now); !late.empty()) {
    for (const NodeId node : late) exclude(node, now);
    plan_at_ = now;
  }
  if (plan_at_ && *plan_at_ <= now) plan_now(now, actions);
}

void ClusterControl::plan_again(TimePoint now) {
  if (!plan_at_) plan_at_ = now + options_.settle;
}

void ClusterControl::lose(std::vector<Member> members, TimePoint now, ClusterActions& actions) {
  if (members.empty()) return;
  for (Member& member : members) {
    rollout_.on_lost(member.node.id);
    excluded_until_.erase(member.node.id);
    actions.lost.push_back(std::move(member));
  }
  plan_now(now, actions);
}

void ClusterControl::exclude(NodeId node, TimePoint now) { excluded_until_[node] = now + options_.exclude; }

void ClusterControl::plan_now(TimePoint now, ClusterActions& actions) {
  plan_at_.reset();
  std::vector<NodeDescriptor> nodes;
  std::set<NodeId> participants;
  for (const auto& [id, member] : membership_.members())
    if (!excluded_until_.contains(id)) nodes.push_back(member.node);
  auto plan = make_plan_(nodes, PlanGeneration{generation_.value + 1});
  if (!plan) return;  // as with no compute node: the next change tries again
  generation_ = plan->generation;
  const std::vector<NodeId> holders = plan->nodes();
  participants.insert(holders.begin(), holders.end());
  for (const NodeDescriptor& node : nodes)
    if (node.role == NodeRole::kCompute) participants.insert(node.id);
  const Plan shared = std::make_shared<const PlacementPlan>(std::move(*plan));
  for (const NodeId node : participants) actions.prepare.push_back({node, shared});
  rollout_.propose(shared, std::move(participants), now);
}

}  // namespace longshore::cluster
