#pragma once

#include <cstdint>

#include "runtime/base/result.h"

namespace longshore::batching {

// The budgets of one compute node.
struct BatcherOptions {
  std::uint32_t max_sequences = 64;        // admitted at once, [1, 4096]; never more than chunk_tokens are
  std::uint32_t chunk_tokens = 512;        // rows of one step, decode and prefill together, [1, 65536]
  double decode_share = 0;                 // of their rate, that decodes keep while prompts are computed, [0, 0.95]
  std::uint32_t queue_sequences_max = 256; // waiting at once, [1, 65536]; beyond it new requests are refused
  std::uint32_t context_tokens = 0;        // prompt and output of one sequence, at least 1
  std::uint32_t vocabulary_tokens = 0;     // V: legal token ids are [0, V), at least 1
  std::uint64_t kv_leaves = 0;             // whole-model leaves that fit over all nodes, at least 1
  bool prefix_cache = true;                // keep the leaves of ended sequences while nobody needs their room
  bool prefixes_end_whole = false;         // the model has sliding windows: see PrefixCache::carry
  std::uint32_t recomputes_max = 8;        // of one sequence without a new token in between, before its error is passed on
};

// Errors: kInvalidArgument naming the option, its value and its range.
Result<void> validate(const BatcherOptions& options);

}  // namespace longshore::batching
