#pragma once

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/plan/placement_plan.h"

namespace longshore::cluster {

using Plan = std::shared_ptr<const PlacementPlan>;

// Prepare on all, then switch at a step boundary. At any time there is one current plan and at most one next.
//
//   idle --propose--> preparing --all prepared--> ready --step boundary--> idle, with a new current plan
//                       |   ^                       |
//                       |   '---- propose (newer) --+
//                       '-- refused, lost, late --> idle: whoever proposed makes another plan
//
// Thread: one.
class PlanRollout {
 public:
  // How long nodes may take to prepare before the plan is given up.
  explicit PlanRollout(Duration prepare_max) : prepare_max_(prepare_max) {}

  // Begins a rollout, in place of one under way. All participants must prepare. Requires: a generation above all before.
  void propose(Plan plan, std::set<NodeId> participants, TimePoint now);
  // Answers to another generation, or of nodes that do not take part, are ignored.
  void on_prepared(NodeId node, PlanGeneration generation);
  // Each returns whether the rollout was given up for it.
  bool on_refused(NodeId node, PlanGeneration generation);
  bool on_lost(NodeId node);
  // If time is over: who has not prepared; the rollout is given up. Else nothing.
  std::vector<NodeId> tick(TimePoint now);
  // The plan to switch to now, if one is ready.
  Plan on_step_boundary();

  const Plan& current() const { return current_; }  // null before the first
  const Plan& next() const { return next_; }        // null when idle
  bool is_ready() const { return next_ && missing_.empty(); }

 private:
  void give_up();

  Duration prepare_max_;
  Plan current_, next_;
  PlanGeneration newest_{0};
  std::set<NodeId> participants_, missing_;
  TimePoint deadline_{};
};

}  // namespace longshore::cluster
