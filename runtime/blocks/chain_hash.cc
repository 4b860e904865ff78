#include "runtime/blocks/chain_hash.h"

#include <array>
#include <string>

#include "runtime/base/check.h"
#include "runtime/plan/leaf.h"

namespace longshore::blocks {

Sha256 chain_root(const ChainRoot& root) {
  Sha256Stream stream;
  stream.update(std::as_bytes(std::span(root.model)));
  // Each text is preceded by its length, so that no two roots spell the same bytes.
  const std::string version = std::to_string(root.numerics_version);
  for (std::string_view part : {std::string_view(version), root.codec, root.preset,
                                root.cache_salt}) {
    stream.update(std::to_string(part.size()) + ":");
    stream.update(part);
  }
  return stream.finish();
}

Sha256 chain_next(const Sha256& parent, std::span<const TokenId> tokens) {
  CHECK(tokens.size() == kLeafTokens) << "a leaf's name covers " << kLeafTokens << " tokens, not " << tokens.size();
  std::array<std::uint8_t, 4 * kLeafTokens> bytes;
  for (std::size_t t = 0; t < kLeafTokens; ++t)
    for (std::size_t b = 0; b < 4; ++b)
      bytes[4 * t + b] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(tokens[t]) >> (8 * b));
  Sha256Stream stream;
  stream.update(std::as_bytes(std::span(parent)));
  stream.update(std::as_bytes(std::span(bytes)));
  return stream.finish();
}

ChainFork chain_fork(std::string_view decode_rule, std::uint32_t prompt_tokens) {
  if (decode_rule.empty()) return {};
  return {leaf_of(prompt_tokens), std::string(decode_rule) + " after " + std::to_string(prompt_tokens)};
}

void name_leaves(const ChainRoot& root, const ChainFork& fork, std::span<const TokenId> tokens, std::uint32_t leaves,
                 std::vector<Sha256>& names) {
  CHECK(std::size_t{leaves} * kLeafTokens <= tokens.size()) << leaves << " leaves of " << tokens.size() << " tokens";
  for (std::size_t leaf = names.size(); leaf < leaves; ++leaf) {
    Sha256 parent = leaf == 0 ? chain_root(root) : names.back();
    if (leaf == fork.leaf && !fork.rule.empty()) {
      Sha256Stream stream;
      stream.update(std::as_bytes(std::span(parent)));
      stream.update(fork.rule);
      parent = stream.finish();
    }
    names.push_back(chain_next(parent, tokens.subspan(leaf * kLeafTokens, kLeafTokens)));
  }
}

}  // namespace longshore::blocks
