#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/base/sha256.h"
#include "runtime/plan/node_descriptor.h"
#include "scheduler/cluster/failure_detector.h"

namespace longshore::cluster {

// Grows with each registration, also over restarts of the scheduler: what tells a node from its earlier life, and from
// a namesake that an earlier scheduler knew.
using RegistrationEpoch = StrongId<struct RegistrationTag, std::uint64_t>;

// What all nodes of a cluster must agree on before their numbers mean the same.
struct Agreement {
  Sha256 model{};                      // of the model file
  std::uint32_t numerics_version = 0;  // of the arithmetic
  std::uint32_t wire_version = 0;
  bool operator==(const Agreement&) const = default;
};

struct Registration {
  NodeDescriptor node;                 // its id is not looked at
  Agreement agreement;
  PlanGeneration generation_seen;      // the newest that the node knows of, from whichever scheduler
};

// What a node is told: who it is, and how long it lives without a heartbeat.
struct Lease {
  NodeId node;
  RegistrationEpoch epoch;
  Duration length{};
};

struct Member {
  NodeDescriptor node;
  RegistrationEpoch epoch;
};

// Who is in: registration, lease, fencing by epoch. Ids are given once and never again, so a message of a dead node
// can't be taken for one of its successor.
// Thread: one.
class Membership {
 public:
  // `first_epoch` must be larger than any that an earlier scheduler gave out (its start in microseconds will do).
  Membership(const Agreement& agreement, const FailureDetectorOptions& options, RegistrationEpoch first_epoch)
      : agreement_(agreement), options_(options), detector_(options), last_epoch_(first_epoch) {}

  struct Joined {
    Lease lease;
    std::vector<Member> replaced;  // an earlier life at the same address, which is over
  };
  // Errors: kFailedPrecondition naming what differs and both values (model, numerics version, wire version);
  // kInvalidArgument naming a field that no plan could use (no name, no address, a number out of range).
  Result<Joined> on_register(const Registration& registration, TimePoint now);

  // Errors: kAborted for a node or an epoch that is not, or no longer, in: it must drop all it holds and register.
  Result<void> on_heartbeat(NodeId node, RegistrationEpoch epoch, TimePoint now);

  // It goes by itself. Returns whether it was in.
  bool on_leave(NodeId node, RegistrationEpoch epoch);

  // Those whose lease is over, and are out from here on.
  std::vector<Member> tick(TimePoint now);

  // Whether a message of this epoch of the node is to be heard.
  bool is_member(NodeId node, RegistrationEpoch epoch) const;
  const std::map<NodeId, Member>& members() const { return members_; }
  Health health(NodeId node) const { return detector_.health(node); }

 private:
  Agreement agreement_;
  FailureDetectorOptions options_;
  FailureDetector detector_;
  std::map<NodeId, Member> members_;
  NodeId last_node_{0};
  RegistrationEpoch last_epoch_;
};

}  // namespace longshore::cluster
