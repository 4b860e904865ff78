#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/plan/node_descriptor.h"
#include "runtime/plan/placement_plan.h"
#include "scheduler/placement/cost_model.h"

namespace longshore::placement {

enum class ShardMode { kAuto, kHeads, kContext };

// "auto", "heads", "context". Errors of the parser: kInvalidArgument naming what is legal.
std::string_view to_string(ShardMode mode);
Result<ShardMode> parse_shard_mode(std::string_view text);

struct PlannerInput {
  ModelShape model;
  Workload workload;
  ShardMode mode = ShardMode::kAuto;
  PlanGeneration generation;          // of the plan to be made
  std::vector<NodeDescriptor> nodes;  // one compute node, any number of attention nodes, any order
};

// One way to place, and what it would cost.
struct PlanOption {
  std::string name;                   // "heads", "heads, then context", "context", "compute node only"
  PlacementPlan plan;
  PlanCost cost;
};

// An attention node that the plan gives nothing to.
struct IdleNode {
  NodeId node;
  std::string name;
  std::string why;                    // in one sentence, with the numbers that decided
};

struct PlanReport {
  PlanOption chosen;
  std::string why;                    // in one sentence, with the numbers that decided
  std::optional<PlanOption> next_best;
  std::string why_not;                // what speaks against the next best
  std::vector<IdleNode> idle;         // in order of id
};

// Makes the plan whose attention the cost model finds fastest among those that fit; within 3 % of it, the one with the
// fewest cuts, because selection inside a head then stays on one node. Shares follow measured read bandwidth, bounded by
// memory, so that unequal nodes finish together: whole KV heads first, the rest of each share as entries of a context
// pattern. Attention nodes are used even where the compute node alone would be faster: they are there for their room.
// A node is left idle where a plan that uses it is slower: a further cut asks one node more in each layer, which pays where
// that node brings cores of its own, and cannot where it shares those of others.
// Deterministic: depends on the input alone, not on the order of its nodes.
// Errors: kInvalidArgument (model, workload, no or two compute nodes, a node twice, a holder without bandwidth).
Result<PlanReport> make_plan(const PlannerInput& input);

// The report as text for people, for `longshore explain`: bytes, predicted time and cost of loss of each node, the whole
// step, the next best plan and why not.
std::string render(const PlanReport& report);

}  // namespace longshore::placement
