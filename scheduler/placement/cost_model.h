#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/plan/node_descriptor.h"
#include "runtime/plan/placement_plan.h"

namespace longshore::placement {

// What the planner must know of a model.
struct ModelShape {
  std::uint32_t query_heads = 0;                // Hq, a multiple of Hkv
  std::uint32_t kv_heads = 0;                   // Hkv
  std::uint32_t head_dim = 0;                   // d
  std::uint32_t kv_bytes_per_token = 0;         // K and V of one token, one layer, one KV head, as stored
  std::vector<std::uint32_t> layer_windows;     // [L]; 0: full attention; else tokens that the layer looks back
  std::uint64_t weight_bytes = 0;               // read once per step by the compute node

  std::uint32_t layers() const { return static_cast<std::uint32_t>(layer_windows.size()); }
  // Layers without a window. Only they put KV on attention nodes: a window stays on the compute node.
  std::uint32_t full_layers() const;
};

// Errors: kInvalidArgument naming the field.
Result<void> validate(const ModelShape& model);

// What the cluster is expected to do: decode steps of `sequences` with `context_tokens` each.
struct Workload {
  std::uint64_t context_tokens = 8192;  // N, at least 1
  std::uint32_t sequences = 1;          // at least 1
};

// Errors: kInvalidArgument naming the field.
Result<void> validate(const Workload& workload);

// What one node does in one decode step, and what its loss would cost.
struct NodeCost {
  NodeId node;
  std::string name;
  double share = 0;                    // of the KV heads x leaves that are handed over, 0 to 1
  std::uint64_t bytes_held = 0;        // of KV, for the whole workload
  std::uint64_t bytes_read = 0;        // of KV, per step
  std::uint64_t bytes_sent = 0;        // queries to it and partials from it, per step
  double read_seconds = 0;             // bytes_read at its measured bandwidth
  double link_seconds = 0;             // bytes_sent at its link's bandwidth
  double latency_seconds = 0;          // per full layer one round trip, and answering a query beside reading
  double step_seconds = 0;             // the three together
  std::uint64_t tokens_lost = 0;       // positions, over all sequences, to run again if it dies
};

struct PlanCost {
  std::vector<NodeCost> nodes;         // compute node first, then holders, in order of id
  double dense_seconds = 0;
  double attention_seconds = 0;        // of the slowest set of cores, for which the others wait in each layer
  double step_seconds = 0;             // dense and attention
  std::uint64_t kv_leaves = 0;         // whole-model leaves that fit, on holders or without any on the compute node
  bool fits = false;                   // the workload's KV fits
  std::uint64_t tokens_lost_max = 0;   // of the worst single loss of an attention node
};

// Leaves of a sequence of `tokens` that are handed over: all full ones but leaf 0 and the newest.
std::uint64_t leaves_handed_over(std::uint64_t tokens);
// K and V of one leaf in all full layers and all KV heads.
std::uint64_t leaf_bytes(const ModelShape& model);

// Predicts a decode step under a plan. A leaf of T is read by its holder, leaf 0 and the two newest leaves by the compute
// node, windowed layers by the compute node. Holders work while the compute node does and layers wait for the slowest; but the
// work of nodes that share cores (NodeDescriptor::cores) adds up. The dense part is the compute node's measured step, or
// where it has none the weights at its read bandwidth.
// Source: decode-methods 0.4 for the traffic (q out, partials of (d + 2) floats back per subtree); the rest is bytes over measured
// bandwidth. Queries travel as f32: rounding them would change bits.
// Requires: validate(plan), validate(model), each holder among `nodes`, exactly one compute node there.
PlanCost predict(const PlacementPlan& plan, const ModelShape& model, const Workload& workload,
                 const std::vector<NodeDescriptor>& nodes);

}  // namespace longshore::placement
