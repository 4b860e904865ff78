#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/embedded_cluster.h"
#include "cli/loaded_model.h"
#include "runtime/base/ids.h"
#include "runtime/base/sha256.h"
#include "runtime/plan/head_plan.h"

namespace longshore::test {

// What a sequence produced, bit for bit: its greedy tokens and a digest of the logits behind each.
struct RecordedRun {
  std::vector<TokenId> tokens;
  std::vector<Sha256> logits;
  std::uint32_t rows_again = 0;     // that were computed a second time
  std::uint64_t kv_leaves = 0;      // in the compute node's memory after the last step, in whole leaves
  std::uint32_t remote_prefix = 0;  // leaves of what it began with that only holders had
  bool operator==(const RecordedRun& other) const { return tokens == other.tokens && logits == other.logits; }
};

struct RunOptions {
  std::uint32_t generate = 32;
  std::uint32_t chunk = 512;       // tokens of a prefill step
  std::uint32_t mates = 0;         // other sequences that join and leave while this one runs
  // It begins with so many leaves of a sequence that is over, which had `carrier_tokens` tokens, other ones behind these
  // leaves, and itself began with half of them from a third.
  std::uint32_t prefix_leaves = 0;
  std::uint32_t carrier_tokens = 0;
  HeadPlan heads = {};              // of this sequence and those that it begins with
  bool waits = true;                // for holders to have what they were offered, before the first decode step
  std::optional<NodeId> lost = {};  // this holder is lost when half of the tokens are there; the plan goes on without it
};

// Feeds the prompt in chunks, then its own greedy tokens one by one. Every step must succeed (CHECKed), but for the one
// that misses what a lost holder had: then all that is known is fed again.
// Before the first decode step it waits (unless told not to) until the holders have acknowledged what they were offered, so
// that the run is as remote as its plan allows.
RecordedRun record(cli::EmbeddedCluster& cluster, const std::vector<TokenId>& prompt, const RunOptions& options);

// The shipped text, repeated until it has `tokens` tokens.
std::vector<TokenId> long_prompt(const cli::LoadedModel& model, std::size_t tokens);

// Loads a model of the table or ends the test program with the command that fetches it.
cli::LoadedModel load_or_die(const std::string& name, unsigned threads, kernels::Isa isa);

}  // namespace longshore::test
