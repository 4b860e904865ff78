#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"

namespace longshore {

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;  // natural logarithm, of the untempered distribution
};

struct ScoredToken {
  TokenId token = 0;
  float logprob = 0;
  std::vector<TokenLogprob> top;  // by falling logprob, ties to the lower id
};

// What came of one entry. With an error the run was not computed (and nothing of it counts).
struct EntryOutcome {
  SequenceId sequence;
  SequenceEpoch epoch;
  std::optional<Error> error;           // kDataLoss: KV was lost, recompute from `position_lost`
  std::uint32_t position_lost = 0;
  std::optional<ScoredToken> sampled;
  std::vector<ScoredToken> scores;      // for entries with score: of tokens[1..] and then next_token if there is one
};

// Where the time of a step went; seconds.
struct StepTiming {
  double total = 0, compute = 0, attention = 0, wait = 0, merge = 0, transport = 0, sample = 0;
};

struct StepOutcome {
  StepId id;
  std::vector<EntryOutcome> entries;
  StepTiming timing;
  std::uint64_t kv_leaves_used = 0;  // whole-model leaves held anywhere for this compute node's sequences
};

}  // namespace longshore
