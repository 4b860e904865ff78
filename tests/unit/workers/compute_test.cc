#include <gtest/gtest.h>

#include <vector>

#include "runtime/base/random.h"
#include "workers/compute/hand_over.h"
#include "workers/compute/step_rows.h"

namespace longshore::compute {
namespace {

TEST(HandOverTest, ALeafIsAcknowledgedByAllItsHoldersInOrder) {
  HandOver hand_over;
  hand_over.on_offered({NodeId{1}, NodeId{2}});
  hand_over.on_offered({NodeId{2}});
  EXPECT_EQ(hand_over.offered_end(), 3u);
  hand_over.on_acknowledged(2, NodeId{2});  // before leaf 1: does not count yet
  hand_over.on_acknowledged(1, NodeId{1});
  EXPECT_EQ(hand_over.acknowledged_end(), 1u);
  hand_over.on_acknowledged(1, NodeId{2});
  EXPECT_EQ(hand_over.acknowledged_end(), 3u);
}

TEST(HandOverTest, LateAndForeignAcknowledgementsChangeNothing) {
  HandOver hand_over;
  hand_over.on_offered({NodeId{1}});
  hand_over.on_acknowledged(7, NodeId{1});
  hand_over.on_acknowledged(1, NodeId{9});
  EXPECT_EQ(hand_over.acknowledged_end(), 1u);
  hand_over.on_acknowledged(1, NodeId{1});
  hand_over.on_acknowledged(1, NodeId{1});
  EXPECT_EQ(hand_over.acknowledged_end(), 2u);
}

TEST(HandOverTest, ALeafForNobodyCountsAsAcknowledged) {
  HandOver hand_over;
  hand_over.on_offered({});
  EXPECT_EQ(hand_over.acknowledged_end(), 2u);
}

TEST(HandOverTest, LeavesAreNeverReleasedBeforeTheyAreHeldElsewhere) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    HandOver hand_over;
    for (int step = 0; step < 100; ++step) {
      switch (random.below(3)) {
        case 0: hand_over.on_offered({NodeId{1}, NodeId{2}}); break;
        case 1:
          hand_over.on_acknowledged(static_cast<std::uint32_t>(random.below(hand_over.offered_end() + 1)),
                                    NodeId{1 + static_cast<std::uint32_t>(random.below(3))});
          break;
        default: hand_over.on_released(hand_over.acknowledged_end());
      }
      ASSERT_LE(hand_over.released_end(), hand_over.acknowledged_end());
      ASSERT_LE(hand_over.acknowledged_end(), hand_over.offered_end());
    }
  }
}

TEST(HandOverTest, OneThatBeginsWithAnothersLeavesOffersWhatWasNotAcknowledged) {
  HandOver carrier;
  for (int leaf = 1; leaf <= 4; ++leaf) carrier.on_offered({NodeId{1}});
  for (std::uint32_t leaf = 1; leaf <= 3; ++leaf) carrier.on_acknowledged(leaf, NodeId{1});
  carrier.on_released(2);
  const HandOver longer(carrier, 5);
  EXPECT_EQ(longer.released_end(), 2u);
  EXPECT_EQ(longer.acknowledged_end(), 4u);
  EXPECT_EQ(longer.offered_end(), 4u);
  const HandOver shorter(carrier, 1);
  EXPECT_EQ(shorter.released_end(), 1u);
  EXPECT_EQ(shorter.offered_end(), 1u);
}

TEST(HandOverTest, OneThatIsCutForgetsWhatLiesBehind) {
  HandOver hand_over;
  for (int leaf = 1; leaf <= 4; ++leaf) hand_over.on_offered({NodeId{1}});
  hand_over.on_acknowledged(1, NodeId{1});
  hand_over.on_released(2);
  hand_over.truncate(3);
  hand_over.on_acknowledged(3, NodeId{1});  // late
  hand_over.on_acknowledged(2, NodeId{1});
  EXPECT_EQ(hand_over.acknowledged_end(), 3u);
  EXPECT_EQ(hand_over.offered_end(), 3u);
  EXPECT_EQ(hand_over.released_end(), 2u);
  hand_over.truncate(1);
  EXPECT_EQ(hand_over.released_end(), 1u);
}

StepEntry entry_of(std::uint32_t position, std::size_t tokens) {
  StepEntry entry;
  entry.position = position;
  for (std::size_t t = 0; t < tokens; ++t) entry.tokens.push_back(static_cast<TokenId>(t));
  return entry;
}

const std::vector<std::uint32_t> kTogether(3, UINT32_MAX);

TEST(StepRowsTest, RowsThatChooseAreGroupsOfTheirOwn) {
  StepBatch batch;
  batch.entries = {entry_of(120, 12), entry_of(300, 2)};
  const StepRows rows = flatten(batch, {false, false}, std::vector<std::uint32_t>{129, 300});
  std::vector<std::uint32_t> tokens;
  for (const RowGroup& group : rows.groups) tokens.push_back(group.tokens);
  EXPECT_EQ(tokens, (std::vector<std::uint32_t>{8, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(rows.groups[1].position, 128u);
  EXPECT_EQ(rows.groups[6].position, 301u);
}

TEST(StepRowsTest, GroupsEndWhereLeavesEnd) {
  StepBatch batch;
  batch.entries = {entry_of(120, 300), entry_of(128, 1)};
  const StepRows rows = flatten(batch, {false, false}, kTogether);
  ASSERT_EQ(rows.groups.size(), 5u);
  const std::uint32_t tokens[] = {8, 128, 128, 36, 1};
  std::uint32_t row = 0;
  for (std::size_t g = 0; g < 5; ++g) {
    EXPECT_EQ(rows.groups[g].row, row);
    EXPECT_EQ(rows.groups[g].tokens, tokens[g]);
    EXPECT_EQ(rows.positions[row], rows.groups[g].position);
    row += tokens[g];
  }
  EXPECT_EQ(rows.tokens.size(), row);
}

TEST(StepRowsTest, SkippedEntriesHaveNoRows) {
  StepBatch batch;
  batch.entries = {entry_of(0, 5), entry_of(0, 3)};
  const StepRows rows = flatten(batch, {true, false}, kTogether);
  ASSERT_EQ(rows.groups.size(), 1u);
  EXPECT_EQ(rows.groups[0].entry, 1u);
  EXPECT_EQ(rows.tokens.size(), 3u);
}

TEST(StepRowsTest, LogitsAreWantedWhereTokensAreDrawnOrScored) {
  StepBatch batch;
  batch.entries = {entry_of(0, 3), entry_of(0, 3), entry_of(0, 2)};
  batch.entries[0].sample = true;
  batch.entries[1].score = true;
  batch.entries[1].next_token = 42;
  const StepRows rows = flatten(batch, {false, false, false}, kTogether);
  ASSERT_EQ(rows.logit_rows.size(), 4u);
  EXPECT_TRUE(rows.logit_rows[0].sample);
  EXPECT_EQ(rows.logit_rows[0].row, 2u);
  EXPECT_EQ(rows.logit_rows[1].scored, 1);
  EXPECT_EQ(rows.logit_rows[2].scored, 2);
  EXPECT_EQ(rows.logit_rows[3].scored, 42);
}

}  // namespace
}  // namespace longshore::compute
