#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/plan/head_plan.h"
#include "runtime/plan/sampling_params.h"

namespace longshore {

// A sequence that the compute node has not seen, or sees again under a new epoch (it then forgets what it had).
struct SequenceStart {
  SequenceId sequence;
  SequenceEpoch epoch;
  SamplingParams sampling;
  std::uint32_t prompt_tokens = 0;    // rows below follow the prompt's rule, rows above the decode rule
  std::uint64_t tokens_expected = 0;  // prompt and the most that may be produced: fixes the context stripe
  HeadPlan heads;                     // of its preset
  // It takes over the first leaves of a sequence that is over and was kept, and begins behind them: its first run is at
  // 128 * leaves. It keeps that sequence's plan.
  struct Prefix {
    SequenceId carrier;
    SequenceEpoch epoch;
    std::uint32_t leaves = 0;  // at least 1
  };
  std::optional<Prefix> prefix;
  bool asks_every_holder = false;     // also those with no leaf of it, in every layer that can be attended elsewhere: a probe
};

// A run of positions of one sequence to pass through all layers.
struct StepEntry {
  SequenceId sequence;
  SequenceEpoch epoch;
  std::uint32_t position = 0;      // of tokens[0]; runs of a sequence follow each other without gaps
  std::vector<TokenId> tokens;     // at least one
  bool sample = false;             // draw the token that follows the last one
  std::uint32_t draw = 0;          // index of that draw: tokens already produced by this choice
  bool score = false;              // report how probable each token after tokens[0] was (for `echo`)
  TokenId next_token = -1;         // with score: the known token after the run, scored from its last row; -1: none
};

// A sequence is over, but its first leaves are kept, for others to begin from.
struct SequenceKeep {
  SequenceId sequence;
  std::uint32_t leaves = 0;  // at least 1; what lies behind them is freed
};

// What one forward pass must compute. Order of entries does not change any bit.
struct StepBatch {
  StepId id;
  PlanGeneration generation;
  std::vector<SequenceStart> starts;   // applied first
  std::vector<SequenceId> releases;    // then their KV is freed, everywhere
  std::vector<SequenceKeep> keeps;     // then what is not to be kept
  std::vector<StepEntry> entries;      // at most one per sequence
};

}  // namespace longshore
