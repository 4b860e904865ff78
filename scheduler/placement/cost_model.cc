#include "scheduler/placement/cost_model.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>

#include "runtime/base/check.h"
#include "runtime/plan/leaf.h"

namespace longshore::placement {
namespace {

constexpr std::uint64_t kFloatBytes = 4;

// One holder's part of one KV head of one sequence.
struct HeadPart {
  std::uint64_t leaves = 0;
  std::uint64_t subtrees = 0;  // partials that it returns per query head
};

// The largest aligned subtrees that together cover the leaves [begin, end) of T.
std::uint64_t aligned_subtrees(std::uint64_t begin, std::uint64_t end) {
  std::uint64_t count = 0;
  while (begin < end) {
    std::uint64_t size = begin == 0 ? std::bit_floor(end) : std::uint64_t{1} << std::countr_zero(begin);
    while (size > end - begin) size /= 2;
    begin += size;
    ++count;
  }
  return count;
}

// Walks the runs of stripes that one node holds in a row.
std::map<NodeId, HeadPart> parts_of(const std::vector<NodeId>& pattern, std::uint64_t leaves, std::uint64_t stripe) {
  std::map<NodeId, HeadPart> parts;
  for (std::uint64_t begin = 0; begin < leaves;) {
    const NodeId node = pattern[begin / stripe % pattern.size()];
    std::uint64_t end = begin;
    while (end < leaves && pattern[end / stripe % pattern.size()] == node) end = std::min(leaves, end + stripe);
    HeadPart& part = parts[node];
    part.leaves += end - begin;
    // Beyond the last leaf all is the identity, so the last run may be covered by the subtree that sticks out.
    part.subtrees += aligned_subtrees(begin, end == leaves ? std::bit_ceil(end) : end);
    begin = end;
  }
  return parts;
}

// Leaves of which the node holds some head: the positions that must be run again without it.
std::uint64_t leaves_lost(const PlacementPlan& plan, NodeId node, std::uint64_t leaves, std::uint64_t stripe) {
  std::uint64_t lost = 0;
  for (std::uint64_t begin = 0; begin < leaves; begin += stripe)
    for (const auto& pattern : plan.holders)
      if (pattern[begin / stripe % pattern.size()] == node) {
        lost += std::min(stripe, leaves - begin);
        break;
      }
  return lost;
}

// Share of all heads by pattern, which a long context approaches.
double pattern_share(const PlacementPlan& plan, NodeId node) {
  double share = 0;
  for (const auto& pattern : plan.holders)
    share += static_cast<double>(std::ranges::count(pattern, node)) / static_cast<double>(pattern.size());
  return share / static_cast<double>(plan.holders.size());
}

NodeCost compute_cost(const NodeDescriptor& node, const ModelShape& model, const Workload& workload, bool holds_all) {
  const std::uint64_t tokens = workload.context_tokens;
  const std::uint64_t away = holds_all ? 0 : leaves_handed_over(tokens) * kLeafTokens;
  std::uint64_t token_layers = 0;
  for (const std::uint32_t window : model.layer_windows)
    token_layers += window == 0 ? tokens - away : std::min<std::uint64_t>(window, tokens);
  NodeCost cost;
  cost.node = node.id;
  cost.name = node.name;
  cost.bytes_held = cost.bytes_read =
      token_layers * model.kv_heads * model.kv_bytes_per_token * workload.sequences;
  cost.read_seconds = static_cast<double>(cost.bytes_read) / node.read_bytes_per_second;
  cost.step_seconds = cost.read_seconds;
  cost.tokens_lost = tokens * workload.sequences;
  return cost;
}

NodeCost holder_cost(const NodeDescriptor& node, const PlacementPlan& plan, const ModelShape& model,
                     const Workload& workload) {
  const std::uint64_t leaves = leaves_handed_over(workload.context_tokens);
  const std::uint64_t stripe = plan.stripe(workload.context_tokens);
  std::uint64_t head_leaves = 0, heads = 0, subtrees = 0;
  for (const auto& pattern : plan.holders) {
    const auto parts = parts_of(pattern, leaves, stripe);
    const auto found = parts.find(node.id);
    if (found == parts.end()) continue;
    ++heads;
    head_leaves += found->second.leaves;
    subtrees += found->second.subtrees;
  }
  const std::uint64_t group = model.query_heads / model.kv_heads;
  const std::uint64_t full_layers = model.full_layers();
  NodeCost cost;
  cost.node = node.id;
  cost.name = node.name;
  if (leaves > 0) cost.share = static_cast<double>(head_leaves) / static_cast<double>(leaves * model.kv_heads);
  cost.bytes_held = cost.bytes_read =
      head_leaves * kLeafTokens * model.kv_bytes_per_token * full_layers * workload.sequences;
  cost.bytes_sent = full_layers * workload.sequences * group * kFloatBytes *
                    (heads * model.head_dim + subtrees * (model.head_dim + 2));
  cost.read_seconds = static_cast<double>(cost.bytes_read) / node.read_bytes_per_second;
  if (node.link_bytes_per_second > 0)
    cost.link_seconds = static_cast<double>(cost.bytes_sent) / node.link_bytes_per_second;
  if (head_leaves > 0)
    cost.latency_seconds = static_cast<double>(full_layers) * (node.link_latency_seconds + node.query_seconds);
  cost.step_seconds = cost.read_seconds + cost.link_seconds + cost.latency_seconds;
  cost.tokens_lost = leaves_lost(plan, node.id, leaves, stripe) * kLeafTokens * workload.sequences;
  return cost;
}

double dense_seconds(const NodeDescriptor& compute, const ModelShape& model, const Workload& workload) {
  if (compute.step_seconds > 0) return compute.step_seconds + (workload.sequences - 1) * compute.row_seconds;
  return static_cast<double>(model.weight_bytes) / compute.read_bytes_per_second;
}

// Who shares cores takes turns; the others work at the same time.
double attention_seconds(const std::vector<NodeCost>& costs, const std::vector<NodeDescriptor>& nodes) {
  std::map<std::string, double> shared;
  double slowest = 0;
  for (const NodeCost& cost : costs) {
    const std::string& cores = std::ranges::find(nodes, cost.node, &NodeDescriptor::id)->cores;
    slowest = std::max(slowest, cores.empty() ? cost.step_seconds : shared[cores] += cost.step_seconds);
  }
  return slowest;
}

}  // namespace

std::uint32_t ModelShape::full_layers() const {
  return static_cast<std::uint32_t>(std::ranges::count(layer_windows, 0u));
}

Result<void> validate(const ModelShape& model) {
  if (model.layers() == 0) return make_error(ErrorCode::kInvalidArgument, "layer_windows is empty; a model has layers");
  if (model.kv_heads == 0 || model.query_heads == 0 || model.query_heads % model.kv_heads != 0)
    return make_error(ErrorCode::kInvalidArgument, "query_heads is ", model.query_heads, " and kv_heads ",
                      model.kv_heads, "; the first must be a multiple of the second");
  if (model.head_dim == 0) return make_error(ErrorCode::kInvalidArgument, "head_dim is 0");
  if (model.kv_bytes_per_token == 0) return make_error(ErrorCode::kInvalidArgument, "kv_bytes_per_token is 0");
  return {};
}

Result<void> validate(const Workload& workload) {
  constexpr std::uint64_t kTokensMax = std::uint64_t{1} << 32;
  if (workload.context_tokens == 0 || workload.context_tokens > kTokensMax)
    return make_error(ErrorCode::kInvalidArgument, "context_tokens is ", workload.context_tokens,
                      "; it must be in [1, ", kTokensMax, "]");
  if (workload.sequences == 0) return make_error(ErrorCode::kInvalidArgument, "sequences is 0");
  return {};
}

std::uint64_t leaves_handed_over(std::uint64_t tokens) {
  const std::uint64_t full = tokens / kLeafTokens;
  return full > 2 ? full - 2 : 0;
}

std::uint64_t leaf_bytes(const ModelShape& model) {
  return std::uint64_t{kLeafTokens} * model.kv_bytes_per_token * model.kv_heads * model.full_layers();
}

PlanCost predict(const PlacementPlan& plan, const ModelShape& model, const Workload& workload,
                 const std::vector<NodeDescriptor>& nodes) {
  const auto compute = std::ranges::find(nodes, NodeRole::kCompute, &NodeDescriptor::role);
  CHECK(compute != nodes.end()) << "no compute node";
  PlanCost cost;
  cost.nodes.push_back(compute_cost(*compute, model, workload, !plan.has_holders()));
  cost.dense_seconds = dense_seconds(*compute, model, workload);
  cost.fits = cost.nodes[0].bytes_held <= compute->memory_bytes;
  const std::uint64_t leaf = std::max<std::uint64_t>(1, leaf_bytes(model));
  cost.kv_leaves = plan.has_holders() ? std::numeric_limits<std::uint64_t>::max() : compute->memory_bytes / leaf;

  for (const NodeId id : plan.nodes()) {
    const auto node = std::ranges::find(nodes, id, &NodeDescriptor::id);
    CHECK(node != nodes.end()) << "the plan names node " << id.value << ", which is not there";
    const NodeCost part = holder_cost(*node, plan, model, workload);
    cost.fits = cost.fits && part.bytes_held <= node->memory_bytes;
    const double share = pattern_share(plan, id);
    cost.kv_leaves = std::min(cost.kv_leaves, static_cast<std::uint64_t>(static_cast<double>(node->memory_bytes) /
                                                                         (share * static_cast<double>(leaf))));
    cost.tokens_lost_max = std::max(cost.tokens_lost_max, part.tokens_lost);
    cost.nodes.push_back(part);
  }
  cost.attention_seconds = attention_seconds(cost.nodes, nodes);
  cost.step_seconds = cost.dense_seconds + cost.attention_seconds;
  return cost;
}

}  // namespace longshore::placement
