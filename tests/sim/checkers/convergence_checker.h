#pragma once

#include <set>

#include "tests/sim/cluster_world.h"

namespace longshore::sim {

// When faults are over, the members are the processes that run, each once, and the current plan uses all of them.
class ConvergenceChecker final : public ClusterChecker {
 public:
  void at_end(const ClusterWorld& world) override {
    const auto& members = world.control().membership().members();
    std::set<NodeId> attention;
    for (const ClusterWorld::Node& node : world.nodes()) {
      if (!node.lease || !members.contains(node.lease->node)) {
        violated(node.name, " runs but is not a member");
        continue;
      }
      if (&node != &world.nodes().front()) attention.insert(node.lease->node);
    }
    if (members.size() != world.nodes().size())
      violated(members.size(), " members for ", world.nodes().size(), " processes");
    const cluster::Plan& plan = world.control().rollout().current();
    if (!plan) return violated("there is no plan");
    const std::vector<NodeId> used = plan->nodes();
    if (std::set<NodeId>(used.begin(), used.end()) != attention)
      violated("plan ", plan->generation.value, " uses ", used.size(), " nodes; ", attention.size(), " are there");
  }
};

}  // namespace longshore::sim
