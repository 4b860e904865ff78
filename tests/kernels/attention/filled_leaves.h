#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/attention/attend.h"
#include "runtime/tensor/buffer.h"

namespace longshore::attention {

// K and V of the first `tokens` positions of a made-up sequence, for one KV head, in leaves; memory that
// nobody appended to holds NaN patterns. The same seed gives the same floats for every layout.
class FilledLeaves {
 public:
  FilledLeaves(const kv::KvLayout& layout, std::uint32_t tokens, std::uint64_t seed);

  const kv::KvLayout& layout() const { return layout_; }
  std::uint32_t tokens() const { return tokens_; }
  std::span<const HeldLeaf> held() const { return held_; }
  // The f32 values that were stored, [tokens, d].
  const std::vector<float>& keys() const { return keys_; }
  const std::vector<float>& values() const { return values_; }

 private:
  kv::KvLayout layout_;
  std::uint32_t tokens_;
  Buffer memory_;
  std::vector<HeldLeaf> held_;
  std::vector<float> keys_;
  std::vector<float> values_;
};

// n floats in [-size, size).
std::vector<float> random_floats(std::size_t n, float size, std::uint64_t seed);

// The kernel tables that this machine can run, portable first.
std::vector<const AttentionKernels*> supported_kernels();

// GoogleTest's name of a layout: "f16_d128".
std::string layout_name(const kv::KvLayout& layout);

}  // namespace longshore::attention
