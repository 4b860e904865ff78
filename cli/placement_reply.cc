#include "cli/placement_reply.h"

#include <algorithm>
#include <boost/json.hpp>

namespace longshore::cli {

std::string placement_json(const EmbeddedCluster& cluster) {
  const PlacementPlan& plan = cluster.report().chosen.plan;
  boost::json::array nodes;
  for (std::size_t i = 0; i + 1 < cluster.nodes().size(); ++i) {
    const NodeDescriptor& descriptor = cluster.nodes()[i + 1];
    boost::json::array heads;
    for (std::size_t head = 0; head < plan.holders.size(); ++head)
      if (std::count(plan.holders[head].begin(), plan.holders[head].end(), descriptor.id) > 0) heads.push_back(head);
    const attention_node::AttentionNode::Holding holding = cluster.attention(i).holding();
    boost::json::object node{{"name", descriptor.name},
                             {"kv_heads", std::move(heads)},
                             {"leaves", holding.leaves},
                             {"tokens", holding.leaves * kLeafTokens},
                             {"bytes", holding.blocks * cluster.store().layout().block_bytes()}};
    for (const placement::IdleNode& idle : cluster.report().idle)
      if (idle.node == descriptor.id) node["idle"] = idle.why;
    nodes.push_back(std::move(node));
  }
  return boost::json::serialize(boost::json::object{{"generation", plan.generation.value},
                                                    {"plan", cluster.report().chosen.name},
                                                    {"why", cluster.report().why},
                                                    {"kv_heads", plan.holders.size()},
                                                    {"nodes", std::move(nodes)}});
}

}  // namespace longshore::cli
