#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/base/sha256.h"
#include "runtime/plan/link_report.h"
#include "runtime/plan/node_descriptor.h"
#include "runtime/plan/placement_plan.h"

namespace longshore::agent {

// What the scheduler serves, as GET /model tells it.
struct ServedModel {
  std::string name;
  Sha256 model{};
  std::uint32_t layers = 0, kv_heads = 0, group = 0, head_dim = 0;
  float softcap = 0;
  std::string kv_type;
  std::uint32_t rows_max = 0;  // tokens of one step
  std::chrono::milliseconds lease{};
  bool operator==(const ServedModel&) const = default;
};

struct Registration {
  NodeDescriptor node;
  Sha256 model{};
  std::uint32_t numerics_version = 0, wire_version = 0;
  PlanGeneration generation_seen;
};

struct Lease {
  NodeId node;
  std::uint64_t epoch = 0;
  std::chrono::milliseconds length{};
};

// What a node says of itself with each heartbeat.
struct NodeState {
  PlanGeneration prepared;                // the newest plan that it could switch to; 0: none
  std::optional<PlanGeneration> refused;  // a newer plan that it cannot prepare
  std::vector<NodeId> unreachable;        // for want of these nodes
  std::vector<LinkReport> links;          // of a compute node: to the attention nodes that it has met
};

// What a heartbeat brings back; scheduler/gateway/control_routes.h has the formats.
struct Orders {
  std::shared_ptr<const PlacementPlan> prepare;  // null: nothing
  std::vector<NodeDescriptor> attention;         // id, name and address of the attention nodes that are in
};

// The scheduler's control port, seen by a node. Each call is one request.
// Errors: kUnavailable, kDeadlineExceeded (no scheduler answers there: worth trying again); kAborted (the lease is over: drop everything and
// register again); kFailedPrecondition (this node can't be of this cluster; says what differs); kInternal (an answer
// that is not ours to understand).
// Thread: one; `cancel` from any.
class ControlClient {
 public:
  // `target`: HOST:PORT. Errors: kInvalidArgument.
  static Result<std::unique_ptr<ControlClient>> create(const std::string& target);
  ~ControlClient();

  Result<ServedModel> model();
  Result<Lease> join(const Registration& registration);
  Result<Orders> heartbeat(const Lease& lease, const NodeState& state);
  Result<void> leave(const Lease& lease);
  // Ends the request in progress, if there is one.
  void cancel();
  const std::string& target() const { return target_; }

 private:
  struct State;
  ControlClient(std::string target, std::unique_ptr<State> state);
  std::string target_;
  std::unique_ptr<State> state_;
};

}  // namespace longshore::agent
