#pragma once

#include <map>

#include "tests/sim/batcher_world.h"

namespace longshore::sim {

// No token twice or never: runs of an epoch follow each other without gap or overlap, and carry the tokens of the
// prompt and of what was drawn; a draw has the index of the tokens before it.
class PositionChecker final : public BatcherChecker {
 public:
  void on_batch(const BatcherWorld& world, const StepBatch& batch) override {
    for (const SequenceStart& start : batch.starts)
      rows_[start.sequence] = start.prefix ? start.prefix->leaves * kLeafTokens : 0;
    for (const StepEntry& entry : batch.entries) {
      if (entry.tokens.empty()) violated("sequence ", entry.sequence.value, " has an empty run");
      if (entry.position != rows_[entry.sequence])
        violated("sequence ", entry.sequence.value, " runs position ", entry.position, " after ",
                 rows_[entry.sequence]);
      const auto& prompt = world.accepted().at(entry.sequence).prompt;
      const auto& drawn = drawn_[entry.sequence];
      const std::size_t known = prompt.size() + drawn.size();
      for (std::size_t i = 0; i < entry.tokens.size(); ++i) {
        const std::size_t position = entry.position + i;
        if (position >= known) {
          violated("sequence ", entry.sequence.value, " runs position ", position, " of ", known);
          break;
        }
        const TokenId token = position < prompt.size() ? prompt[position] : drawn[position - prompt.size()];
        if (entry.tokens[i] != token) violated("sequence ", entry.sequence.value, " has another token at ", position);
      }
      if (entry.sample && entry.position + entry.tokens.size() != known)
        violated("sequence ", entry.sequence.value, " draws in the middle of what is known");
      if (entry.sample && entry.draw != drawn.size())
        violated("sequence ", entry.sequence.value, " makes draw ", entry.draw, " after ", drawn.size());
    }
  }
  void on_computed(const BatcherWorld&, const StepBatch& batch, const StepOutcome& outcome) override {
    for (std::size_t i = 0; i < batch.entries.size(); ++i)
      if (!outcome.entries[i].error)
        rows_[batch.entries[i].sequence] += static_cast<std::uint32_t>(batch.entries[i].tokens.size());
  }
  void on_event(const BatcherWorld&, const batching::SequenceEvent& event) override {
    if (event.token) drawn_[event.sequence].push_back(event.token->token);
  }

 private:
  std::map<SequenceId, std::uint32_t> rows_;
  std::map<SequenceId, std::vector<TokenId>> drawn_;
};

}  // namespace longshore::sim
