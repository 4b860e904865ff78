#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "scheduler/batching/batcher.h"

namespace longshore::batching {

inline BatcherOptions small_options() {
  BatcherOptions options;
  options.max_sequences = 8;
  options.chunk_tokens = 64;
  options.context_tokens = 4096;
  options.vocabulary_tokens = 1000;
  options.kv_leaves = 32;
  return options;
}

inline SequenceRequest request_of(std::uint32_t prompt_tokens, std::uint32_t max_tokens) {
  SequenceRequest request;
  for (std::uint32_t i = 0; i < prompt_tokens; ++i) request.prompt.push_back(static_cast<TokenId>(i % 100));
  request.max_tokens = max_tokens;
  return request;
}

// The outcome of a compute node that draws `100 + draw` and scores every token with its own position.
inline StepOutcome outcome_of(const StepBatch& batch) {
  StepOutcome outcome;
  outcome.id = batch.id;
  for (const StepEntry& entry : batch.entries) {
    EntryOutcome result;
    result.sequence = entry.sequence;
    result.epoch = entry.epoch;
    if (entry.sample) result.sampled = ScoredToken{static_cast<TokenId>(100 + entry.draw), -1.0f, {}};
    if (entry.score) {
      for (std::size_t i = 1; i < entry.tokens.size(); ++i)
        result.scores.push_back({entry.tokens[i], -static_cast<float>(entry.position + i), {}});
      if (entry.next_token >= 0)
        result.scores.push_back({entry.next_token, -static_cast<float>(entry.position + entry.tokens.size()), {}});
    }
    outcome.entries.push_back(std::move(result));
  }
  return outcome;
}

inline const StepEntry* entry_of(const StepBatch& batch, SequenceId id) {
  const auto found = std::ranges::find(batch.entries, id, &StepEntry::sequence);
  return found == batch.entries.end() ? nullptr : &*found;
}

inline EntryOutcome* entry_of(StepOutcome& outcome, SequenceId id) {
  const auto found = std::ranges::find(outcome.entries, id, &EntryOutcome::sequence);
  return found == outcome.entries.end() ? nullptr : &*found;
}

// A batcher and a compute node without faults, step by step.
struct Steps {
  explicit Steps(const BatcherOptions& options) : batcher(options) {}

  StepBatch next() {
    auto batch = batcher.next_batch(events);
    return batch ? std::move(*batch) : StepBatch{};
  }
  StepBatch step() {
    StepBatch batch = next();
    if (batcher.has_in_flight()) finish(outcome_of(batch));
    return batch;
  }
  void finish(const StepOutcome& outcome) {
    for (auto& event : batcher.on_outcome(outcome)) events.push_back(std::move(event));
  }
  void run_to_idle(int steps_max = 10'000) {
    while (!batcher.is_idle() && steps_max-- > 0) step();
  }
  std::vector<TokenId> tokens_of(SequenceId id) const {
    std::vector<TokenId> tokens;
    for (const auto& event : events)
      if (event.sequence == id && event.token) tokens.push_back(event.token->token);
    return tokens;
  }
  std::optional<FinishReason> finish_of(SequenceId id) const {
    for (const auto& event : events)
      if (event.sequence == id && event.finish) return event.finish;
    return std::nullopt;
  }
  std::optional<Error> error_of(SequenceId id) const {
    for (const auto& event : events)
      if (event.sequence == id && event.error) return event.error;
    return std::nullopt;
  }

  Batcher batcher;
  std::vector<SequenceEvent> events;
};

}  // namespace longshore::batching
