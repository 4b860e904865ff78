#include "runtime/retrieval/mean_index.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "tests/kernels/attention/filled_leaves.h"

namespace longshore::retrieval {
namespace {

constexpr kv::KvLayout kLayout{Dtype::kF16, 32};
constexpr std::uint32_t kBlocks = 16;

class MeanIndexTest : public testing::Test {
 protected:
  MeanIndexTest()
      : store_(kv::KvStore::create(kLayout, kBlocks * kLayout.block_bytes()).value()),
        kernels_(mean_kernels(kernels::Isa::kPortable)),
        index_(*store_, kernels_) {
    index_.open().value();
  }

  const std::byte* filled(BlockId block, std::uint64_t seed) {
    const attention::FilledLeaves leaf(kLayout, kLeafTokens, seed);
    std::memcpy(store_->block(block), leaf.held()[0].block, kLayout.block_bytes());
    return store_->block(block);
  }
  std::vector<std::uint16_t> expected(const std::byte* block) const {
    std::vector<std::uint16_t> means(mean_values(kLayout.d));
    kernels_.means(kLayout, block, means.data());
    return means;
  }
  std::vector<std::uint16_t> given(const std::byte* block) {
    const std::uint16_t* const means = index_.of(block);
    return {means, means + mean_values(kLayout.d)};
  }

  std::unique_ptr<kv::KvStore> store_;
  const MeanKernels& kernels_;
  MeanIndex index_;
};

TEST_F(MeanIndexTest, ForgetsABlockThatWasGivenBack) {
  const BlockId first = store_->allocate().value();
  const std::byte* const old = filled(first, 1);
  EXPECT_EQ(given(old), expected(old));
  store_->release(first);
  std::vector<BlockId> all;
  while (const auto block = store_->allocate()) all.push_back(*block);
  ASSERT_EQ(all.size(), kBlocks);
  for (const BlockId block : all) {
    const std::byte* const bytes = filled(block, 100 + block.value);
    EXPECT_EQ(given(bytes), expected(bytes));
    EXPECT_EQ(given(bytes), expected(bytes));
  }
}

TEST_F(MeanIndexTest, ManyThreadsMayAskForTheSameBlocks) {
  for (std::uint64_t round = 0; round < 20; ++round) {
    std::vector<BlockId> blocks;
    std::vector<const std::byte*> bytes;
    while (const auto block = store_->allocate()) {
      blocks.push_back(*block);
      bytes.push_back(filled(*block, round * 100 + block->value));
    }
    std::vector<int> wrong(4);
    std::vector<std::thread> threads;
    for (int& of_thread : wrong)
      threads.emplace_back([&] {
        for (const std::byte* block : bytes) of_thread += given(block) != expected(block);
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, (std::vector<int>(4)));
    for (const BlockId block : blocks) store_->release(block);
  }
}

}  // namespace
}  // namespace longshore::retrieval
