#include "tests/kernels/attention/filled_leaves.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "runtime/base/random.h"
#include "runtime/plan/leaf.h"

namespace longshore::attention {

FilledLeaves::FilledLeaves(const kv::KvLayout& layout, std::uint32_t tokens, std::uint64_t seed)
    : layout_(layout), tokens_(tokens) {
  const std::size_t d = layout.d;
  const std::size_t block_bytes = layout.block_bytes();
  memory_ = Buffer::allocate(leaves_for(tokens) * block_bytes).value();
  std::memset(memory_.data(), 0xff, memory_.size());
  keys_ = random_floats(tokens * d, 1.5f, seed);
  values_ = random_floats(tokens * d, 2.0f, seed + 1);
  for (std::uint32_t leaf = 0; leaf * kLeafTokens < tokens; ++leaf) {
    const std::uint32_t first = leaf * kLeafTokens;
    const std::uint32_t count = std::min(kLeafTokens, tokens - first);
    std::byte* block = memory_.data() + leaf * block_bytes;
    kv::append(layout, block, 0, count, {keys_.data() + first * d, d}, {values_.data() + first * d, d})
        .value();
    for (std::uint32_t slot = 0; slot < count; ++slot)
      kv::decode(layout, block, slot, keys_.data() + (first + slot) * d, values_.data() + (first + slot) * d);
    held_.push_back({leaf, count, block});
  }
}

std::vector<float> random_floats(std::size_t n, float size, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> floats(n);
  for (float& x : floats) x = static_cast<float>(2 * random.uniform() - 1) * size;
  return floats;
}

std::vector<const AttentionKernels*> supported_kernels() {
  std::vector<const AttentionKernels*> all;
  for (kernels::Isa isa : {kernels::Isa::kPortable, kernels::Isa::kAvx2, kernels::Isa::kAvx512})
    if (kernels::is_supported(isa)) all.push_back(&attention_kernels(isa));
  return all;
}

std::string layout_name(const kv::KvLayout& layout) {
  return std::string(to_string(layout.type)) + "_d" + std::to_string(layout.d);
}

}  // namespace longshore::attention
