#pragma once

#include <set>
#include <utility>

#include "tests/sim/cluster_world.h"

namespace longshore::sim {

// A plan is switched to only if it is newer than all before, and every node it names is in and has prepared just it.
class PlanChecker final : public ClusterChecker {
 public:
  void on_prepared(const ClusterWorld&, NodeId node, cluster::RegistrationEpoch, PlanGeneration generation) override {
    prepared_.insert({node, generation});
  }
  void on_switch(const ClusterWorld& world, const PlacementPlan& plan) override {
    if (plan.generation <= last_) violated("plan ", plan.generation.value, " comes after ", last_.value);
    last_ = plan.generation;
    for (const NodeId node : plan.nodes()) {
      if (!world.control().membership().members().contains(node))
        violated("plan ", plan.generation.value, " names node ", node.value, ", which is out");
      if (!prepared_.contains({node, plan.generation}))
        violated("plan ", plan.generation.value, " names node ", node.value, ", which has not prepared it");
    }
  }

 private:
  PlanGeneration last_{0};
  std::set<std::pair<NodeId, PlanGeneration>> prepared_;
};

}  // namespace longshore::sim
