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

}  // namespace longshore::blocks
