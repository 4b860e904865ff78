#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/sha256.h"

namespace longshore::blocks {

// What, besides the token ids, decides the bits of a KV block.
struct ChainRoot {
  Sha256 model{};                     // of the model file
  std::uint32_t numerics_version = 0; // of our arithmetic
  std::string_view codec;             // "f16", ...
  std::string_view preset;            // "full"; other presets add parameters and prompt length
  std::string_view cache_salt;        // isolation between tenants
};

// Name of the state before the first leaf.
Sha256 chain_root(const ChainRoot& root);
// Name of a full leaf: SHA-256 over its parent's name and its 128 token ids (little-endian 32-bit). With layer and KV
// head it names a KvBlock; equal names mean equal bits.
Sha256 chain_next(const Sha256& parent, std::span<const TokenId> tokens);

// Where decode rows follow another rule than the prompt's: the first leaf that has any, and what the rule is, with the
// prompt's length in it. No rule: none.
struct ChainFork {
  std::uint32_t leaf = 0;
  std::string rule;
};
ChainFork chain_fork(std::string_view decode_rule, std::uint32_t prompt_tokens);

// Completes the names of the first `leaves` leaves of a sequence. Requires: leaves * 128 <= tokens.size(); `names` are those
// of its first leaves, or none.
void name_leaves(const ChainRoot& root, const ChainFork& fork, std::span<const TokenId> tokens, std::uint32_t leaves,
                 std::vector<Sha256>& names);

}  // namespace longshore::blocks
