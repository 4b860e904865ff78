#pragma once

#include "tests/sim/batcher_world.h"

namespace longshore::sim {

// When all clients are gone, so is all memory but what is kept for others to begin from, and that is counted.
class MemoryChecker final : public BatcherChecker {
 public:
  void at_end(const BatcherWorld& world) override {
    const batching::BatcherLoad load = world.batcher().load();
    for (const auto& [id, held] : world.node().held())
      if (!held.is_kept) violated("the node still holds sequence ", id.value);
    // Two that shared leaves when everything was dropped hold them as their own, each.
    if (world.node().leaves_used() > load.leaves_cached)
      violated("the node still holds ", world.node().leaves_used(), " leaves; ", load.leaves_cached, " are kept");
    if (load.leaves_reserved != 0) violated(load.leaves_reserved, " leaves are still reserved");
    if (load.running + load.waiting != 0) violated(load.running + load.waiting, " sequences are still held");
    if (!world.batcher().is_idle()) violated("the batcher is not idle");
  }
};

}  // namespace longshore::sim
