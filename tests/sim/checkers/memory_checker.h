#pragma once

#include "tests/sim/batcher_world.h"

namespace longshore::sim {

// When all clients are gone, so is all memory.
class MemoryChecker final : public BatcherChecker {
 public:
  void at_end(const BatcherWorld& world) override {
    if (!world.node().held().empty()) violated("the node still holds ", world.node().held().size(), " sequences");
    const batching::BatcherLoad load = world.batcher().load();
    if (load.leaves_reserved != 0) violated(load.leaves_reserved, " leaves are still reserved");
    if (load.running + load.waiting != 0) violated(load.running + load.waiting, " sequences are still held");
    if (!world.batcher().is_idle()) violated("the batcher is not idle");
  }
};

}  // namespace longshore::sim
