#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/result.h"
#include "runtime/plan/link_report.h"
#include "scheduler/cluster/cluster_control.h"
#include "scheduler/placement/explanation.h"
#include "scheduler/service/remote_compute_link.h"
#include "scheduler/service/step_loop.h"

namespace longshore::service {

// What a node must know of the model before it can be one: all but the weights.
struct ServedModel {
  cluster::Agreement agreement;
  std::string name;
  std::uint32_t layers = 0, kv_heads = 0, group = 0, head_dim = 0;
  float softcap = 0;
  std::string kv_type;                  // "f16", ...
  std::uint32_t context_tokens = 0;
  std::uint32_t rows_max = 0;           // tokens of one step
  std::uint64_t leaf_bytes = 0;         // of one leaf in all layers and heads
  Duration lease{};
};

// What a node says with each heartbeat.
struct Heartbeat {
  NodeId node;
  cluster::RegistrationEpoch epoch;
  PlanGeneration prepared;              // the newest plan that it could switch to; 0: none
  std::optional<cluster::ClusterControl::Refusal> refused;
  std::vector<LinkReport> links;        // of a compute node: those to attention nodes, as measured when they opened
};

// What it is told. State, not events, so that an answer that gets lost costs nothing.
struct Orders {
  cluster::Plan prepare;                 // null: nothing to prepare
  std::vector<NodeDescriptor> attention; // the attention nodes that are in; whoever is not there is gone
};

// The control plane: who is in, by which plan, and which slot of the step loop each compute node has. A plan is switched
// between two steps, and a compute node gets steps once it has prepared the plan that they are placed by. With several
// compute nodes each is a replica that uses the same attention nodes.
// Thread-safe.
class ControlService {
 public:
  struct Options {
    ServedModel model;
    cluster::ClusterOptions cluster;
    placement::ModelShape shape;
    placement::ShardMode shard = placement::ShardMode::kAuto;
    cluster::RegistrationEpoch first_epoch;
  };
  // `slots` are the links of `loop`. All references outlive it.
  ControlService(Options options, StepLoop& loop, std::vector<RemoteComputeLink*> slots, const Clock& clock);
  ~ControlService();

  const ServedModel& model() const { return options_.model; }
  // Errors: those of ClusterControl.
  Result<cluster::Lease> join(const cluster::Registration& registration);
  Result<Orders> heartbeat(const Heartbeat& heartbeat);
  void leave(NodeId node, cluster::RegistrationEpoch epoch);

  struct View {
    PlanGeneration generation;           // 0: no plan yet
    std::string plan, why;
    std::vector<NodeDescriptor> members;
    std::vector<NodeId> holders;         // of the current plan
    std::vector<NodeId> replicas;        // the compute nodes that get steps: a node that joined does so with the next plan
  };
  View view() const;
  // The plan in force and why. Errors: kUnavailable while there is none.
  Result<placement::Explanation> explain() const;

 private:
  Result<PlacementPlan> make_plan(const std::vector<NodeDescriptor>& members, PlanGeneration generation);
  void take_links(NodeId compute, const std::vector<LinkReport>& links);
  void apply_links(std::vector<NodeDescriptor>& nodes) const;
  void review_plan();
  void carry_out(const cluster::ClusterActions& actions);
  void switch_plan();
  void give_slot(const NodeDescriptor& node, std::uint64_t leaves_elsewhere);
  void run();

  const Options options_;
  StepLoop& loop_;
  const std::vector<RemoteComputeLink*> slots_;
  const Clock& clock_;
  mutable std::mutex mutex_;                    // guards all below
  std::condition_variable wake_;
  cluster::ClusterControl control_;
  std::map<NodeId, PlanGeneration> prepared_;
  std::vector<std::optional<NodeId>> owners_;   // [slots]
  std::map<std::pair<NodeId, NodeId>, LinkReport> links_;  // by compute node and attention node
  bool links_are_new_ = false;                             // since the plan in force was looked at
  placement::PlannerInput proposed_input_, current_input_;
  placement::PlanReport proposed_, current_;
  bool stopping_ = false;
  std::thread ticker_;
};

}  // namespace longshore::service
