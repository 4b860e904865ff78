#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace longshore {

// XXH64, seed 0: of frames, KV blocks and cached weights. 64-bit multiplies only, so it is the same code on every CPU and,
// without any instruction of a kind, several times as fast as a table-driven CRC32C; a changed block passes
// with probability 2^-64 instead of 2^-32. It guards against broken memory and late writes, not against
// forgery. Source: Collet, xxHash fast digest algorithm, revision 0.1.1, XXH64.
std::uint64_t checksum(std::span<const std::byte> bytes);

// The same over a message in parts.
class ChecksumStream {
 public:
  void update(std::span<const std::byte> bytes);
  std::uint64_t finish() const;

 private:
  std::uint64_t lanes_[4] = {0x60ea27eeadc0b5d6u, 0xc2b2ae3d27d4eb4fu, 0, 0x61c8864e7a143579u};
  std::byte rest_[32];
  std::size_t rest_size_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace longshore
