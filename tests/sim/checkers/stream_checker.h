#pragma once

#include <map>
#include <set>

#include "tests/sim/batcher_world.h"
#include "tests/sim/pseudo_model.h"

namespace longshore::sim {

// Each client sees what it would see alone: the same scores, tokens and end. One that ends with an error, or leaves,
// has seen a prefix of it. Nothing comes after an end.
class StreamChecker final : public BatcherChecker {
 public:
  void on_event(const BatcherWorld& world, const batching::SequenceEvent& event) override {
    Seen& seen = seen_[event.sequence];
    if (seen.expected.tokens.empty() && seen.expected.scores.empty())
      seen.expected = isolated_run(world.accepted().at(event.sequence));
    if (!world.alive().contains(event.sequence)) violated("sequence ", event.sequence.value, " has an event after its end");
    if (event.prompt_tokens_done < seen.prompt_tokens_done && !event.error)
      violated("sequence ", event.sequence.value, " falls back to ", event.prompt_tokens_done, " prompt tokens");
    seen.prompt_tokens_done = event.prompt_tokens_done;
    if (!event.prompt_scores.empty()) {
      if (seen.tokens > 0 || std::exchange(seen.scored, true))
        violated("sequence ", event.sequence.value, " is scored late or twice");
      if (!equal(event.prompt_scores, seen.expected.scores))
        violated("sequence ", event.sequence.value, " has other scores than alone");
    }
    if (event.token) {
      const std::size_t index = seen.tokens++;
      if (index >= seen.expected.tokens.size() || !equal({*event.token}, {seen.expected.tokens[index]}))
        violated("sequence ", event.sequence.value, " token ", index, " is not what it is alone");
    }
    if (event.finish) check_finish(event, seen);
  }

 private:
  struct Seen {
    ExpectedStream expected;
    std::size_t tokens = 0;
    bool scored = false;
    std::uint32_t prompt_tokens_done = 0;
  };

  void check_finish(const batching::SequenceEvent& event, const Seen& seen) {
    if (*event.finish != seen.expected.finish) violated("sequence ", event.sequence.value, " ends for another reason");
    if (seen.tokens != seen.expected.tokens.size())
      violated("sequence ", event.sequence.value, " ends after ", seen.tokens, " tokens; alone after ",
               seen.expected.tokens.size());
    if (!seen.scored && !seen.expected.scores.empty()) violated("sequence ", event.sequence.value, " was never scored");
  }
  static bool equal(const std::vector<ScoredToken>& a, const std::vector<ScoredToken>& b) {
    return std::ranges::equal(
        a, b, [](const ScoredToken& x, const ScoredToken& y) { return x.token == y.token && x.logprob == y.logprob; });
  }

  std::map<SequenceId, Seen> seen_;
};

}  // namespace longshore::sim
