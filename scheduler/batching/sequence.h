#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/base/sha256.h"
#include "runtime/plan/leaf.h"
#include "runtime/plan/sampling_params.h"
#include "runtime/plan/step_batch.h"
#include "runtime/plan/step_outcome.h"

namespace longshore::batching {

// What a client wants of one sequence, in tokens.
struct SequenceRequest {
  std::vector<TokenId> prompt;   // at least one token
  std::uint32_t max_tokens = 0;  // 0: run (and score) the prompt only
  bool score_prompt = false;
  SamplingParams sampling;
  HeadPlan heads;                  // of its preset; shares prefixes only with those of an equal one
  std::string cache_salt;          // shares prefixes only with those of the same salt
  std::vector<Sha256> leaf_names;  // of the prompt's first leaves, as far as they are known (name_leaves)
  bool asks_every_holder = false;  // see SequenceStart
};

enum class FinishReason { kStop, kLength };

// What happened to one sequence in one step. After `finish` or `error` the sequence is gone.
struct SequenceEvent {
  SequenceId sequence;
  std::vector<ScoredToken> prompt_scores;  // of prompt[1..], once, with or before the first token
  std::optional<ScoredToken> token;        // the end token too, with finish = kStop
  std::optional<FinishReason> finish;
  std::optional<Error> error;
  std::uint32_t prompt_tokens_done = 0;    // never falls, not even when the prompt is run again
  std::uint32_t cached_tokens = 0;         // of the prompt, that were taken over when it began
};

// waiting --admitted--> prefill --last known token's row sampled--> decode --end token, length, error--> gone
//    ^                     |  ^                                       |
//    |                     |  +------- KV lost: epoch + 1 ------------+
//    +--- paused: no room, epoch + 1 (it waits again, as old as it was) ---+
enum class Phase { kWaiting, kPrefill, kDecode };

// One stream of tokens, as the batcher knows it: enough to run it again anywhere from its token ids.
struct Sequence {
  SequenceId id;
  SequenceEpoch epoch{1};
  Phase phase = Phase::kWaiting;
  std::vector<TokenId> tokens;        // prompt, then what was produced
  std::uint32_t prompt_tokens = 0;
  std::uint32_t max_tokens = 0;
  bool score_prompt = false;
  SamplingParams sampling;
  HeadPlan heads;
  std::string cache_salt;
  bool asks_every_holder = false;
  std::vector<Sha256> leaf_names;     // as far as they were asked for (prefix_cache.h)
  std::uint64_t rows_spared = 0;      // by the prefix cache when it came: what its waiting is thought to cost

  std::uint32_t rows_done = 0;        // positions [0, rows_done) are computed under this epoch
  std::uint32_t leaves_cached = 0;    // taken over from the prefix cache, which counts their room; not those of a running one
  Sha256 last_cached{};               // the last of them, pinned there
  std::optional<SequenceStart::Prefix> prefix;  // what this epoch begins with
  std::uint64_t leaves_reserved = 0;  // of KV room, for the others; 0 while waiting
  bool started = false;               // the compute node has been told of this epoch
  PlanGeneration generation;          // when it was
  std::uint32_t recomputes = 0;       // since the last new token
  std::uint32_t prompt_tokens_told = 0;
  std::uint32_t prompt_tokens_cached = 0;
  std::vector<ScoredToken> scores;    // of prompt[1..], as far as known
  bool scores_told = false;

  std::uint32_t produced() const { return static_cast<std::uint32_t>(tokens.size()) - prompt_tokens; }
  // Leaves that may come from elsewhere: the last known token is always left to compute.
  std::uint32_t leaves_to_share() const { return static_cast<std::uint32_t>((tokens.size() - 1) / kLeafTokens); }
  std::uint32_t rows_missing() const { return static_cast<std::uint32_t>(tokens.size()) - rows_done; }
  // Rows at the end of the longest answer: the last token drawn is never run.
  std::uint64_t rows_max() const {
    return max_tokens == 0 ? prompt_tokens : std::uint64_t{prompt_tokens} + max_tokens - 1;
  }
};

}  // namespace longshore::batching
