#pragma once

#include <map>
#include <set>

#include "tests/sim/batcher_world.h"

namespace longshore::sim {

// Each (sequence, epoch) is started once, before its entries, and released once, after them; epochs grow by one; an
// epoch whose KV was lost is used no more; the generation and the ids of steps never fall. What is kept was held, keeps
// ever fewer leaves, and has no more entries; what a sequence begins with is held.
class EpochChecker final : public BatcherChecker {
 public:
  void on_batch(const BatcherWorld&, const StepBatch& batch) override {
    if (batch.id <= last_step_) violated("step ", batch.id.value, " comes after step ", last_step_.value);
    last_step_ = batch.id;
    for (const SequenceStart& start : batch.starts) {
      if (start.prefix) check_prefix(start);
      if (held_.contains(start.sequence)) violated("sequence ", start.sequence.value, " starts while it is held");
      const std::uint32_t expected = last_epoch_[start.sequence] + 1;
      if (start.epoch.value != expected)
        violated("sequence ", start.sequence.value, " starts epoch ", start.epoch.value, " after ", expected - 1);
      last_epoch_[start.sequence] = start.epoch.value;
      held_[start.sequence] = start.epoch;
    }
    for (const SequenceId released : batch.releases) {
      if (held_.erase(released) == 0) violated("sequence ", released.value, " is released but not held");
      lost_.erase(released);
      kept_.erase(released);
    }
    for (const SequenceKeep& keep : batch.keeps) {
      if (!held_.contains(keep.sequence)) violated("sequence ", keep.sequence.value, " is kept but not held");
      const auto [kept, is_first] = kept_.try_emplace(keep.sequence, keep.leaves);
      if (!is_first && keep.leaves >= kept->second)
        violated("sequence ", keep.sequence.value, " keeps ", keep.leaves, " leaves after ", kept->second);
      kept->second = keep.leaves;
    }
    std::set<SequenceId> seen;
    for (const StepEntry& entry : batch.entries) {
      const auto held = held_.find(entry.sequence);
      if (held == held_.end() || held->second != entry.epoch)
        violated("sequence ", entry.sequence.value, " epoch ", entry.epoch.value, " has an entry but is not held");
      if (kept_.contains(entry.sequence)) violated("sequence ", entry.sequence.value, " goes on after its end");
      if (lost_.contains(entry.sequence)) violated("sequence ", entry.sequence.value, " goes on with lost KV");
      if (!seen.insert(entry.sequence).second) violated("sequence ", entry.sequence.value, " has two entries");
    }
    for (const SequenceStart& start : batch.starts)
      if (!seen.contains(start.sequence)) violated("sequence ", start.sequence.value, " starts without an entry");
  }
  void on_computed(const BatcherWorld&, const StepBatch&, const StepOutcome& outcome) override {
    for (const EntryOutcome& entry : outcome.entries)
      if (entry.error) lost_.insert(entry.sequence);
  }
  void on_node_lost(const BatcherWorld&) override {
    held_.clear();
    kept_.clear();
    lost_.clear();
  }

 private:
  void check_prefix(const SequenceStart& start) {
    const SequenceStart::Prefix& prefix = *start.prefix;
    const auto held = held_.find(prefix.carrier);
    const auto kept = kept_.find(prefix.carrier);
    if (held == held_.end() || held->second != prefix.epoch || (kept != kept_.end() && kept->second < prefix.leaves))
      violated("sequence ", start.sequence.value, " begins with ", prefix.leaves, " leaves of sequence ",
               prefix.carrier.value, ", which are not held");
  }

  StepId last_step_{0};
  std::map<SequenceId, std::uint32_t> last_epoch_;
  std::map<SequenceId, SequenceEpoch> held_;
  std::map<SequenceId, std::uint32_t> kept_;  // leaves
  std::set<SequenceId> lost_;
};

}  // namespace longshore::sim
