#pragma once

#include <algorithm>

#include "tests/sim/batcher_world.h"

namespace longshore::sim {

// Nobody is starved: the oldest living sequence has an entry in every batch, but for the one that releases its earlier
// epoch; and everyone who decodes does so in every batch. As ids are finite, each sequence is the oldest some day.
class ProgressChecker final : public BatcherChecker {
 public:
  void on_batch(const BatcherWorld& world, const StepBatch& batch) override {
    if (world.alive().empty()) return;
    const SequenceId oldest = *world.alive().begin();
    const bool advances = std::ranges::find(batch.entries, oldest, &StepEntry::sequence) != batch.entries.end();
    const bool released = std::ranges::find(batch.releases, oldest) != batch.releases.end();
    if (!advances && !released) violated("step ", batch.id.value, " passes over the oldest sequence ", oldest.value);
  }
  void at_end(const BatcherWorld& world) override {
    if (!world.alive().empty())
      violated(world.alive().size(), " sequences are not served after ", world.steps(), " steps");
  }
};

}  // namespace longshore::sim
