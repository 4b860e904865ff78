#pragma once

#include <map>

#include "tests/sim/cluster_world.h"

namespace longshore::sim {

// Nobody is declared lost within its lease, unless it came back as another. (That the dead are found is seen at the end.)
class LeaseChecker final : public ClusterChecker {
 public:
  void on_registered(const ClusterWorld& world, const cluster::Lease& lease) override {
    heard_[lease.epoch] = world.now();
  }
  void on_heard(const ClusterWorld& world, NodeId, cluster::RegistrationEpoch epoch, bool accepted) override {
    if (accepted) heard_[epoch] = world.now();
  }
  void on_lost(const ClusterWorld& world, const cluster::Member& member) override {
    for (const auto& [id, other] : world.control().membership().members())
      if (other.node.address == member.node.address) return;  // replaced
    if (world.now() - heard_[member.epoch] < world.options().detector.lease)
      violated("node ", member.node.id.value, " is declared lost within its lease");
  }

 private:
  std::map<cluster::RegistrationEpoch, TimePoint> heard_;
};

}  // namespace longshore::sim
