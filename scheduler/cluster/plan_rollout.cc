#include "scheduler/cluster/plan_rollout.h"

#include <utility>

#include "runtime/base/check.h"

namespace longshore::cluster {

void PlanRollout::propose(Plan plan, std::set<NodeId> participants, TimePoint now) {
  CHECK(plan && plan->generation > newest_) << "plan generations must grow beyond " << newest_.value;
  newest_ = plan->generation;
  next_ = std::move(plan);
  missing_ = participants;
  participants_ = std::move(participants);
  deadline_ = now + prepare_max_;
}

void PlanRollout::on_prepared(NodeId node, PlanGeneration generation) {
  if (next_ && next_->generation == generation) missing_.erase(node);
}

bool PlanRollout::on_refused(NodeId node, PlanGeneration generation) {
  if (!next_ || next_->generation != generation || !participants_.contains(node)) return false;
  give_up();
  return true;
}

bool PlanRollout::on_lost(NodeId node) {
  if (!next_ || !participants_.contains(node)) return false;
  give_up();
  return true;
}

std::vector<NodeId> PlanRollout::tick(TimePoint now) {
  if (!next_ || missing_.empty() || now < deadline_) return {};
  std::vector<NodeId> late(missing_.begin(), missing_.end());
  give_up();
  return late;
}

Plan PlanRollout::on_step_boundary() {
  if (!is_ready()) return nullptr;
  current_ = std::exchange(next_, nullptr);
  return current_;
}

void PlanRollout::give_up() {
  next_.reset();
  missing_.clear();
  participants_.clear();
}

}  // namespace longshore::cluster
