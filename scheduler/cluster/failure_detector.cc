#include "scheduler/cluster/failure_detector.h"

#include <algorithm>

namespace longshore::cluster {

bool FailureDetector::on_heartbeat(NodeId node, TimePoint now) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return false;
  found->second.heard = std::max(found->second.heard, now);
  return true;
}

std::vector<FailureDetector::Change> FailureDetector::tick(TimePoint now) {
  const Duration gap = has_ticked_ ? now - last_tick_ : Duration{};
  has_ticked_ = true;
  last_tick_ = now;
  if (gap > options_.lease / 2)
    for (auto& [id, node] : nodes_) node.heard = std::min(now, node.heard + gap);

  std::vector<Change> changes;
  for (auto it = nodes_.begin(); it != nodes_.end();) {
    Node& node = it->second;
    const Duration silent = now - node.heard;
    const Health health = silent >= options_.lease           ? Health::kDead
                          : silent >= options_.suspect_after ? Health::kSuspect
                                                             : Health::kAlive;
    if (health != node.health) changes.push_back({it->first, health});
    node.health = health;
    it = health == Health::kDead ? nodes_.erase(it) : std::next(it);
  }
  return changes;
}

Health FailureDetector::health(NodeId node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? Health::kDead : found->second.health;
}

}  // namespace longshore::cluster
