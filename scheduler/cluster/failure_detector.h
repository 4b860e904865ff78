#pragma once

#include <map>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"

namespace longshore::cluster {

struct FailureDetectorOptions {
  Duration suspect_after = std::chrono::milliseconds(2500);  // two and a half heartbeats: one may be late
  Duration lease = std::chrono::seconds(5);                  // then it is dead, whatever it does later
};

enum class Health { kAlive, kSuspect, kDead };

// Heartbeat gaps -> alive, suspect, dead. Dead is for ever: a node that comes back comes as another one.
//
//   alive --gap >= suspect_after--> suspect --gap >= lease--> dead
//     ^----------heartbeat-----------'
//
// If this process itself was stopped or starved, no heartbeat was read meanwhile: a gap between two ticks of more than
// half a lease is not held against the nodes, or a paused scheduler would bury a healthy cluster.
// Thread: one. Time must not go backwards.
class FailureDetector {
 public:
  explicit FailureDetector(const FailureDetectorOptions& options) : options_(options) {}

  void add(NodeId node, TimePoint now) { nodes_[node] = {now, Health::kAlive}; }
  void remove(NodeId node) { nodes_.erase(node); }
  // Of a node that is unknown or dead: nothing. Returns whether it counted.
  bool on_heartbeat(NodeId node, TimePoint now);
  struct Change {
    NodeId node;
    Health health;
  };
  // Call at least every half lease. Returns whose health changed; dead ones are forgotten.
  std::vector<Change> tick(TimePoint now);

  Health health(NodeId node) const;

 private:
  struct Node {
    TimePoint heard;
    Health health = Health::kAlive;
  };
  FailureDetectorOptions options_;
  std::map<NodeId, Node> nodes_;
  TimePoint last_tick_{};
  bool has_ticked_ = false;
};

}  // namespace longshore::cluster
