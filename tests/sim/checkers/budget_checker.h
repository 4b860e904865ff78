#pragma once

#include <algorithm>

#include "tests/sim/batcher_world.h"

namespace longshore::sim {

// No step computes more rows, and no node holds more sequences or leaves, than allowed.
class BudgetChecker final : public BatcherChecker {
 public:
  void on_batch(const BatcherWorld& world, const StepBatch& batch) override {
    std::size_t rows = 0;
    for (const StepEntry& entry : batch.entries) rows += entry.tokens.size();
    if (rows > world.options().chunk_tokens)
      violated("step ", batch.id.value, " has ", rows, " rows; ", world.options().chunk_tokens, " are allowed");
    if (batch.entries.size() > world.options().max_sequences)
      violated("step ", batch.id.value, " has ", batch.entries.size(), " sequences; ", world.options().max_sequences,
               " are allowed");
    if (world.batcher().load().waiting > world.options().queue_sequences_max + world.options().max_sequences)
      violated(world.batcher().load().waiting, " sequences wait");  // the paused come on top of the queue
  }
  void on_computed(const BatcherWorld& world, const StepBatch& batch, const StepOutcome&) override {
    if (world.node().leaves_used() > world.options().kv_leaves)
      violated("after step ", batch.id.value, " the node holds ", world.node().leaves_used(), " leaves; it has ",
               world.options().kv_leaves);
    const auto& held = world.node().held();
    const auto running = std::ranges::count_if(held, [](const auto& one) { return !one.second.is_kept; });
    if (running > world.options().max_sequences)
      violated("after step ", batch.id.value, " the node holds ", running, " sequences");
  }
};

}  // namespace longshore::sim
