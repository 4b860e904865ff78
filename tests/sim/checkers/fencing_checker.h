#pragma once

#include <set>

#include "tests/sim/cluster_world.h"

namespace longshore::sim {

// No id and no epoch is given twice, and who was declared lost is never heard again under them.
class FencingChecker final : public ClusterChecker {
 public:
  void on_registered(const ClusterWorld&, const cluster::Lease& lease) override {
    if (!ids_.insert(lease.node).second) violated("node id ", lease.node.value, " is given twice");
    if (lease.epoch <= last_) violated("epoch ", lease.epoch.value, " comes after ", last_.value);
    last_ = lease.epoch;
  }
  void on_lost(const ClusterWorld&, const cluster::Member& member) override {
    if (!lost_.insert(member.epoch).second) violated("registration ", member.epoch.value, " is lost twice");
  }
  void on_heard(const ClusterWorld&, NodeId node, cluster::RegistrationEpoch epoch, bool accepted) override {
    if (accepted && lost_.contains(epoch)) violated("node ", node.value, " is heard after it was declared lost");
  }

 private:
  std::set<NodeId> ids_;
  cluster::RegistrationEpoch last_{0};
  std::set<cluster::RegistrationEpoch> lost_;
};

}  // namespace longshore::sim
