#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/result.h"
#include "scheduler/cluster/membership.h"
#include "scheduler/cluster/plan_rollout.h"

namespace longshore::cluster {

struct ClusterOptions {
  FailureDetectorOptions detector;
  Duration settle = std::chrono::milliseconds(250);   // joins within it share a plan; a loss does not wait
  Duration prepare_max = std::chrono::seconds(5);     // for a plan to be prepared everywhere
  Duration exclude = std::chrono::seconds(30);        // a node that could not prepare is left out so long
};

// Makes a plan of a generation for these members (all roles). Pure. An error means that there can be none now.
using PlanMaker = std::function<Result<PlacementPlan>(const std::vector<NodeDescriptor>&, PlanGeneration)>;

// What the shell must do after an event.
struct ClusterActions {
  struct Prepare {
    NodeId node;
    Plan plan;
  };
  std::vector<Prepare> prepare;  // send the plan; the node answers prepared or refused
  std::vector<Member> lost;      // tell the compute nodes: what these held is gone, and they will not be heard again
};

// Membership, planning and rollout in one: who is in decides the plan, and each change of who is in makes a new one.
// A node that is back is a new member, and gets shares of sequences that start under the next plan.
// Thread: one. Pure: the same events at the same times give the same actions.
class ClusterControl {
 public:
  ClusterControl(const Agreement& agreement, const ClusterOptions& options, PlanMaker make_plan,
                 RegistrationEpoch first_epoch);

  // Errors: those of Membership.
  Result<Lease> on_register(const Registration& registration, TimePoint now, ClusterActions& actions);
  Result<void> on_heartbeat(NodeId node, RegistrationEpoch epoch, TimePoint now);
  void on_leave(NodeId node, RegistrationEpoch epoch, TimePoint now, ClusterActions& actions);
  // Answers to Prepare. Those of epochs that are over are ignored. A refusal leaves out the nodes that whoever refuses
  // could not reach, or else itself, and makes another plan.
  void on_prepared(NodeId node, RegistrationEpoch epoch, PlanGeneration generation);
  struct Refusal {
    PlanGeneration generation;
    std::vector<NodeId> unreachable;
  };
  void on_refused(NodeId node, RegistrationEpoch epoch, const Refusal& refusal, TimePoint now,
                  ClusterActions& actions);
  void tick(TimePoint now, ClusterActions& actions);
  // What is known of the members has changed: the next tick after the settling time makes a new plan.
  void plan_again(TimePoint now);
  // Between two steps: the plan to compute by from here on, or null to go on as before.
  Plan on_step_boundary() { return rollout_.on_step_boundary(); }

  const Membership& membership() const { return membership_; }
  const PlanRollout& rollout() const { return rollout_; }

 private:
  void lose(std::vector<Member> members, TimePoint now, ClusterActions& actions);
  void exclude(NodeId node, TimePoint now);
  void plan_now(TimePoint now, ClusterActions& actions);

  ClusterOptions options_;
  PlanMaker make_plan_;
  Membership membership_;
  PlanRollout rollout_;
  PlanGeneration generation_{0};                // the newest known anywhere
  std::optional<TimePoint> plan_at_;            // a change waits for its plan
  std::map<NodeId, TimePoint> excluded_until_;
};

}  // namespace longshore::cluster
