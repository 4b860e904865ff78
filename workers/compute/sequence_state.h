#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/sha256.h"
#include "runtime/blocks/block_table.h"
#include "runtime/model/model_config.h"
#include "runtime/plan/leaf.h"
#include "runtime/plan/placement_plan.h"
#include "runtime/plan/step_batch.h"
#include "workers/compute/hand_over.h"

namespace longshore::compute {

// What the compute node knows of one sequence. One thread.
struct SequenceState {
  SequenceState(const SequenceStart& sequence_start, std::shared_ptr<const PlacementPlan> placement,
                std::uint32_t layers, std::uint32_t kv_heads)
      : start(sequence_start),
        plan(std::move(placement)),
        stripe(plan->stripe(sequence_start.tokens_expected)),
        table(layers, kv_heads) {}

  // Begins with the first start.prefix->leaves leaves of `carrier`, under its plan; takes over none of its blocks.
  SequenceState(const SequenceStart& sequence_start, const SequenceState& carrier, std::uint32_t layers,
                std::uint32_t kv_heads)
      : start(sequence_start),
        plan(carrier.plan),
        stripe(carrier.stripe),
        tokens(carrier.tokens.begin(), carrier.tokens.begin() + sequence_start.prefix->leaves * kLeafTokens),
        names(carrier.names.begin(), carrier.names.begin() + std::min<std::size_t>(carrier.names.size(), sequence_start.prefix->leaves)),
        table(layers, kv_heads),
        hand_over(carrier.hand_over, sequence_start.prefix->leaves) {}

  SequenceStart start;
  std::shared_ptr<const PlacementPlan> plan;  // under which its leaves are handed over, for its whole epoch
  std::uint32_t stripe;                       // leaves per stripe of that plan
  std::vector<TokenId> tokens;                // at positions [0, tokens.size()), all with K and V
  std::vector<Sha256> names;                  // of its full leaves
  blocks::BlockTable table;                   // blocks in this process's store
  HandOver hand_over;

  // What its rows see in a layer and KV head.
  HeadRule rule(const model::ModelConfig& config, std::uint32_t layer, std::uint32_t kv_head) const {
    return config.head_rule(start.heads, layer, kv_head);
  }
  // Rows from here on choose what they read.
  std::uint32_t selects_from() const {
    return start.heads.selection.selects() ? start.prompt_tokens : std::numeric_limits<std::uint32_t>::max();
  }
  // Rows from here on are decode rows: their remote leaves are attended where they lie.
  bool is_decoding(std::uint32_t position) const { return position >= start.prompt_tokens; }
  std::uint32_t full_leaves() const { return static_cast<std::uint32_t>(tokens.size() / kLeafTokens); }
};

}  // namespace longshore::compute
