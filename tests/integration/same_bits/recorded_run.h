#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/embedded_cluster.h"
#include "cli/loaded_model.h"
#include "runtime/base/ids.h"
#include "runtime/base/sha256.h"

namespace longshore::test {

// What a sequence produced, bit for bit: its greedy tokens and a digest of the logits behind each.
struct RecordedRun {
  std::vector<TokenId> tokens;
  std::vector<Sha256> logits;
  bool operator==(const RecordedRun&) const = default;
};

struct RunOptions {
  std::uint32_t generate = 32;
  std::uint32_t chunk = 512;       // tokens of a prefill step
  std::uint32_t mates = 0;         // other sequences that join and leave while this one runs
};

// Feeds the prompt in chunks, then its own greedy tokens one by one. Every step must succeed (CHECKed).
// Before the first decode step it waits until the holders have acknowledged what they were offered, so that the run
// is as remote as its plan allows.
RecordedRun record(cli::EmbeddedCluster& cluster, const std::vector<TokenId>& prompt, const RunOptions& options);

// The shipped text, repeated until it has `tokens` tokens.
std::vector<TokenId> long_prompt(const cli::LoadedModel& model, std::size_t tokens);

// Loads a model of the table or ends the test program with the command that fetches it.
cli::LoadedModel load_or_die(const std::string& name, unsigned threads, kernels::Isa isa);

}  // namespace longshore::test
