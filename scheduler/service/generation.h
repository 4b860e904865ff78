#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/plan/head_plan.h"
#include "runtime/plan/sampling_params.h"
#include "runtime/plan/step_outcome.h"

namespace longshore::service {

enum class FinishReason { kStop, kLength };

// One choice of one request: a prompt in tokens, and what to do with it. Stop strings belong to whoever turns tokens
// into text (it cancels); end tokens and length belong here.
struct GenerationRequest {
  std::vector<TokenId> prompt;        // at least one token
  std::uint32_t max_tokens = 0;       // 0: produce nothing (score the prompt only)
  bool score_prompt = false;          // report the log-probability of each prompt token after the first
  SamplingParams sampling;
  HeadPlan heads;                     // of its preset
  std::string cache_salt;             // its leaves in the prefix cache are shared with requests of the same salt only
  bool asks_every_holder = false;     // a probe: every attention node of the plan must answer, in every layer
};

// What happened to a sequence since the last event. After `finish` or `error` no further event comes.
struct GenerationEvent {
  std::vector<ScoredToken> prompt_scores;   // once, before the first token: of prompt[1..]
  std::optional<ScoredToken> token;
  std::optional<FinishReason> finish;
  std::optional<Error> error;
  std::uint32_t prompt_tokens_done = 0;     // prefill progress
  std::uint32_t cached_tokens = 0;          // of the prompt, taken from the prefix cache
};

// Called on the scheduler's step thread, in order; must not block and must not call back into the service.
using GenerationCallback = std::function<void(const GenerationEvent&)>;

struct GenerationLoad {
  std::uint32_t running = 0, waiting = 0;
  double kv_used = 0;  // 0 to 1, of the KV room of all nodes
};

// Produces tokens for requests. Thread-safe.
class GenerationService {
 public:
  virtual ~GenerationService() = default;

  // Errors: kInvalidArgument (prompt and max_tokens beyond the context length, token ids outside the vocabulary),
  // kResourceExhausted (queue full; or it can never fit), kUnavailable (draining, or no compute node).
  virtual Result<SequenceId> start(GenerationRequest request, GenerationCallback on_event) = 0;
  // Forgets the sequence and frees its KV on every node. No event comes after cancel has returned.
  virtual void cancel(SequenceId sequence) = 0;
  virtual GenerationLoad load() const = 0;
  virtual std::uint32_t context_tokens_max() const = 0;
};

}  // namespace longshore::service
