#include "workers/attention/held_sequences.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace longshore::attention_node {
namespace {

class HeldSequencesTest : public testing::Test {
 protected:
  HeldSequencesTest() : store_(std::move(*kv::KvStore::create({Dtype::kF16, 32}, 1 << 20))), held_(*store_, 2, 2) {}

  void put(std::uint32_t leaf, std::uint32_t layer, std::uint32_t head, SequenceEpoch epoch = {1}) {
    ASSERT_TRUE(held_.begin_epoch(kPeer, kSequence, epoch));
    const HeldSequences::Placed placed{layer, head, *store_->allocate()};
    held_.insert(kPeer, kSequence, leaf, {&placed, 1});
  }
  std::vector<std::uint32_t> leaves(std::uint32_t layer, std::uint32_t head, std::uint32_t end) {
    std::vector<attention::HeldLeaf> found;
    EXPECT_TRUE(held_.find(kPeer, kSequence, {1}, layer, head, end, found));
    std::vector<std::uint32_t> indices;
    for (const attention::HeldLeaf& leaf : found) indices.push_back(leaf.leaf);
    return indices;
  }

  static constexpr transport::PeerId kPeer{3};
  static constexpr SequenceId kSequence{9};
  std::unique_ptr<kv::KvStore> store_;
  HeldSequences held_;
};

TEST_F(HeldSequencesTest, FindsWhatItHoldsBelowTheEnd) {
  put(1, 0, 1);
  put(4, 0, 1);
  put(2, 1, 1);
  EXPECT_EQ(leaves(0, 1, 10), (std::vector<std::uint32_t>{1, 4}));
  EXPECT_EQ(leaves(0, 1, 4), (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(leaves(0, 0, 10), (std::vector<std::uint32_t>{}));
  EXPECT_EQ(held_.leaves(), 3u);
  EXPECT_EQ(held_.blocks(), 3u);
}

TEST_F(HeldSequencesTest, ARepeatedOfferTakesNoSecondSlot) {
  put(1, 0, 0);
  put(1, 0, 0);
  EXPECT_EQ(store_->used(), 1u);
  EXPECT_EQ(held_.blocks(), 1u);
}

TEST_F(HeldSequencesTest, AnEpochThatIsOverIsRefused) {
  put(1, 0, 0, {2});
  EXPECT_EQ(held_.begin_epoch(kPeer, kSequence, {1}).error().code, ErrorCode::kAborted);
  std::vector<attention::HeldLeaf> found;
  EXPECT_EQ(held_.find(kPeer, kSequence, {1}, 0, 0, 5, found).error().code, ErrorCode::kAborted);
  EXPECT_EQ(held_.find(kPeer, SequenceId{10}, {1}, 0, 0, 5, found).error().code, ErrorCode::kNotFound);
}

TEST_F(HeldSequencesTest, ANewEpochFreesTheOldOne) {
  put(1, 0, 0);
  put(2, 0, 0);
  ASSERT_TRUE(held_.begin_epoch(kPeer, kSequence, {2}));
  EXPECT_EQ(store_->used(), 0u);
  EXPECT_EQ(held_.leaves(), 0u);
}

TEST_F(HeldSequencesTest, EverythingGoesBackWhenAPeerIsLost) {
  put(1, 0, 0);
  put(1, 1, 1);
  held_.release_peer(transport::PeerId{4});
  EXPECT_EQ(store_->used(), 2u);
  held_.release_peer(kPeer);
  EXPECT_EQ(store_->used(), 0u);
  EXPECT_EQ(held_.sequences(), 0u);
}

TEST_F(HeldSequencesTest, ALateReleaseOfAnEarlierEpochFreesNothing) {
  put(1, 0, 0, {2});
  held_.release(kPeer, kSequence, {1}, 0);
  EXPECT_EQ(held_.blocks(), 1u);
  held_.release(kPeer, kSequence, {2}, 0);
  EXPECT_EQ(store_->used(), 0u);
}

TEST_F(HeldSequencesTest, AnotherSequenceMayBeginWithLeavesOfThisOne) {
  for (std::uint32_t leaf = 1; leaf <= 3; ++leaf) put(leaf, 0, 1);
  const HeldSequences::Of other{SequenceId{10}, SequenceEpoch{1}};
  held_.adopt(kPeer, other, {kSequence, {1}}, 3);
  EXPECT_EQ(store_->used(), 3u);  // shared, not copied
  held_.release(kPeer, kSequence, {1}, 0);
  EXPECT_EQ(store_->used(), 2u);
  std::vector<attention::HeldLeaf> found;
  ASSERT_TRUE(held_.find(kPeer, other.sequence, other.epoch, 0, 1, 10, found));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].leaf, 2u);
  held_.release(kPeer, other.sequence, other.epoch, 0);
  EXPECT_EQ(store_->used(), 0u);
  EXPECT_EQ(held_.blocks(), 0u);
}

TEST_F(HeldSequencesTest, NothingIsTakenOverFromAnotherEpochOrPeerOrFromNobody) {
  put(1, 0, 0);
  held_.adopt(kPeer, {SequenceId{10}, {1}}, {kSequence, {2}}, 3);
  held_.adopt(transport::PeerId{4}, {SequenceId{10}, {1}}, {kSequence, {1}}, 3);
  held_.adopt(kPeer, {SequenceId{10}, {1}}, {SequenceId{8}, {1}}, 3);
  held_.adopt(kPeer, {kSequence, {1}}, {kSequence, {1}}, 3);
  std::vector<attention::HeldLeaf> found;
  EXPECT_EQ(held_.find(kPeer, SequenceId{10}, {1}, 0, 0, 5, found).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(held_.blocks(), 1u);
}

}  // namespace
}  // namespace longshore::attention_node
