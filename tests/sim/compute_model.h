#pragma once

#include <map>
#include <set>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/plan/leaf.h"
#include "runtime/plan/step_batch.h"
#include "runtime/plan/step_outcome.h"
#include "tests/sim/pseudo_model.h"

namespace longshore::sim {

// Chances per entry of one step.
struct FaultRates {
  double data_loss = 0, aborted = 0, internal = 0;
};

// A compute node that does what it is told, without checking any of it: the checkers watch what it is told.
class ComputeModel {
 public:
  struct Held {
    SequenceEpoch epoch;
    std::uint32_t rows = 0;
    std::uint64_t state = 0;
    std::uint64_t seed = 0;
    std::vector<std::uint64_t> states;  // after each full leaf
    std::vector<std::uint64_t> leaves;  // each a piece of memory, that sequences may share
    bool is_broken = false;             // it began with what is not here
    bool is_kept = false;               // it has ended
  };

  StepOutcome run(const StepBatch& batch, const FaultRates& faults, Random& random) {
    for (const SequenceStart& start : batch.starts) begin(start);
    for (const SequenceId released : batch.releases) held_.erase(released);
    for (const SequenceKeep& keep : batch.keeps)
      if (const auto found = held_.find(keep.sequence); found != held_.end()) {
        found->second.is_kept = true;
        truncate(found->second, keep.leaves);
      }
    StepOutcome outcome;
    outcome.id = batch.id;
    for (const StepEntry& entry : batch.entries) outcome.entries.push_back(run(entry, faults, random));
    outcome.kv_leaves_used = leaves_used();
    // Of a machine that nothing can be learnt from.
    outcome.timing.total = random.below(8) == 0 ? 0 : random.uniform() * static_cast<double>(batch.entries.size());
    return outcome;
  }
  void crash() { held_.clear(); }

  const std::map<SequenceId, Held>& held() const { return held_; }
  std::uint64_t leaves_used() const {
    std::set<std::uint64_t> leaves;
    for (const auto& [id, held] : held_) leaves.insert(held.leaves.begin(), held.leaves.end());
    return leaves.size();
  }

 private:
  void begin(const SequenceStart& start) {
    Held held{start.epoch, 0, 0, start.sampling.seed, {}, {}, false, false};
    if (start.prefix) {
      const auto carrier = held_.find(start.prefix->carrier);
      held.is_broken = carrier == held_.end() || carrier->second.epoch != start.prefix->epoch ||
                       carrier->second.states.size() < start.prefix->leaves;
      if (!held.is_broken) {
        held.states = carrier->second.states;
        held.leaves = carrier->second.leaves;
        truncate(held, start.prefix->leaves);
      }
    }
    held_[start.sequence] = std::move(held);
  }
  static void truncate(Held& held, std::uint32_t leaves) {
    if (held.states.size() < leaves) return;
    held.states.resize(leaves);
    held.leaves.resize(leaves);
    held.rows = leaves * kLeafTokens;
    held.state = held.states.back();
  }

  EntryOutcome run(const StepEntry& entry, const FaultRates& faults, Random& random) {
    EntryOutcome outcome;
    outcome.sequence = entry.sequence;
    outcome.epoch = entry.epoch;
    const double draw = random.uniform();
    if (draw < faults.data_loss) {
      outcome.error = Error{ErrorCode::kDataLoss, "lost"};
      outcome.position_lost = static_cast<std::uint32_t>(random.below(entry.position + 1));
    } else if (draw < faults.data_loss + faults.aborted) {
      outcome.error = Error{ErrorCode::kAborted, "another plan"};
    } else if (draw < faults.data_loss + faults.aborted + faults.internal) {
      outcome.error = Error{ErrorCode::kInternal, "broken"};
    }
    if (outcome.error) return outcome;

    Held& held = held_[entry.sequence];
    if (held.is_broken) {
      outcome.error = Error{ErrorCode::kAborted, "its prefix is not here"};
      return outcome;
    }
    for (std::size_t i = 0; i < entry.tokens.size(); ++i) {
      if (held.rows % kLeafTokens == 0) held.leaves.push_back(++last_leaf_);
      held.state = state_after(held.state, entry.tokens[i]);
      if (++held.rows % kLeafTokens == 0) held.states.push_back(held.state);
      const TokenId next = i + 1 < entry.tokens.size() ? entry.tokens[i + 1] : entry.next_token;
      if (entry.score && next >= 0) outcome.scores.push_back({next, logprob_after(held.state, next), {}});
    }
    if (entry.sample) {
      const TokenId token = token_after(held.state, held.seed, entry.draw);
      outcome.sampled = ScoredToken{token, logprob_after(held.state, token), {}};
    }
    return outcome;
  }

  std::map<SequenceId, Held> held_;
  std::uint64_t last_leaf_ = 0;
};

}  // namespace longshore::sim
