#pragma once

#include <string>
#include <vector>

#include "scheduler/placement/planner.h"

namespace longshore::placement {

inline constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

// Llama-3-8B: 32 layers, 32 q and 8 kv heads of 128, f16.
inline ModelShape llama_8b() {
  ModelShape model;
  model.query_heads = 32;
  model.kv_heads = 8;
  model.head_dim = 128;
  model.kv_bytes_per_token = 512;
  model.layer_windows.assign(32, 0);
  model.weight_bytes = 5 * kGiB;
  return model;
}

inline NodeDescriptor compute_node() {
  NodeDescriptor node;
  node.id = NodeId{0};
  node.role = NodeRole::kCompute;
  node.name = "compute-0";
  node.memory_bytes = 64 * kGiB;
  node.read_bytes_per_second = 50e9;
  return node;
}

inline NodeDescriptor attention_node(std::uint32_t id, double read_bytes_per_second, std::uint64_t memory_bytes) {
  NodeDescriptor node;
  node.id = NodeId{id};
  node.name = "attention-" + std::to_string(id);
  node.memory_bytes = memory_bytes;
  node.read_bytes_per_second = read_bytes_per_second;
  node.link_latency_seconds = 20e-6;
  node.link_bytes_per_second = 10e9;
  return node;
}

// One compute node and attention nodes 1.. with these bandwidths in GB/s.
inline PlannerInput cluster_of(const std::vector<double>& gigabytes_per_second) {
  PlannerInput input;
  input.model = llama_8b();
  input.workload.context_tokens = 131'072;
  input.nodes.push_back(compute_node());
  std::uint32_t id = 0;
  for (const double bandwidth : gigabytes_per_second)
    input.nodes.push_back(attention_node(++id, bandwidth * 1e9, 64 * kGiB));
  return input;
}

inline const NodeCost* cost_of(const PlanReport& report, std::uint32_t id) {
  for (const NodeCost& cost : report.chosen.cost.nodes)
    if (cost.node == NodeId{id}) return &cost;
  return nullptr;
}

inline double share_of(const PlanReport& report, std::uint32_t id) {
  const NodeCost* cost = cost_of(report, id);
  return cost ? cost->share : 0;
}

}  // namespace longshore::placement
