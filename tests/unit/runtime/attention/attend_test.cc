// Attention of whole sequences: against the reference, and the same bits for every chunking, every
// distribution of leaves over holders and every mix of instruction sets.

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/random.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kernels/reference/attention.h"
#include "runtime/plan/leaf.h"
#include "tests/kernels/attention/leaf_partial.h"
#include "tests/unit/runtime/attention/attend_cases.h"

namespace longshore::attention {
namespace {

class AttendTest : public testing::Test {
 protected:
  void SetUp() override { set_float_environment(); }
};

AttendShape shape_of(Dtype type, std::uint32_t group, HeadRule rule = {}, float softcap = 0) {
  return {.layout = {type, 32}, .group = group, .rule = rule, .softcap = softcap};
}

// HeadRule in its own words.
bool sees(const HeadRule& rule, std::uint32_t position, std::uint32_t key) {
  if (key > position) return false;
  if (rule.window == 0 || position - key < rule.window || key < rule.sinks) return true;
  const bool begins_in_leaf_0 = position + 1 - rule.window < 128;
  return rule.sinks > 0 && begins_in_leaf_0;
}

TEST_F(AttendTest, CutsRunsOnlyWherePiecesAreWorthIt) {
  const AttendShape small{.layout = {Dtype::kF16, 64}}, large{.layout = {Dtype::kF16, 256}};  // leaves of 32 and 128 KiB
  EXPECT_EQ(parts_of(small, 1000, 1, 1), 1u) << "nobody to share with";
  EXPECT_EQ(parts_of(small, 0, 1, 2), 1u);
  EXPECT_EQ(parts_of(small, 3, 1, 2), 1u);
  EXPECT_EQ(parts_of(small, 14, 1, 2), 3u);
  EXPECT_EQ(parts_of(large, 14, 1, 2), 8u) << "four pieces a thread are enough";
  EXPECT_EQ(parts_of(large, 14, 4, 2), 2u) << "runs are pieces, too";
  EXPECT_EQ(parts_of(large, 14, 3, 2), 4u) << "nine pieces would leave a thread idle at the end";
  EXPECT_EQ(parts_of(large, 14, 9, 2), 1u);
  EXPECT_EQ(parts_of(large, 1000, 100, 2), 1u);
  EXPECT_EQ(parts_of(large, 1000, 1, 256), kPartsMax);
}

TEST_F(AttendTest, AgreesWithTheReference) {
  for (const AttendShape& shape :
       {shape_of(Dtype::kF16, 3), shape_of(Dtype::kQ8_0, 1, {0, 200}), shape_of(Dtype::kBF16, 2, {0, 1}),
        shape_of(Dtype::kF32, 1, {}, 3.0f), shape_of(Dtype::kF16, 2, {0, 128}), shape_of(Dtype::kF16, 3, {4, 100}),
        shape_of(Dtype::kF32, 1, {128, 1}), shape_of(Dtype::kQ8_0, 2, {1, 300})}) {
    const AttendCase one(shape, 700, 11);
    const std::vector<float> out = attend_alone(one, *supported_kernels().back(), 100);
    const std::uint32_t d = shape.layout.d;
    for (std::uint32_t position : {0u, 1u, 127u, 128u, 255u, 256u, 383u, 384u, 500u, 699u}) {
      std::vector<float> keys, values;
      std::uint32_t seen = 0;
      for (std::uint32_t key = 0; key <= position; ++key) {
        if (!sees(shape.rule, position, key)) continue;
        ++seen;
        keys.insert(keys.end(), one.leaves.keys().begin() + key * d, one.leaves.keys().begin() + (key + 1) * d);
        values.insert(values.end(), one.leaves.values().begin() + key * d, one.leaves.values().begin() + (key + 1) * d);
      }
      for (std::uint32_t head = 0; head < shape.group; ++head) {
        const std::size_t row = (position * shape.group + head) * d;
        const kernels::reference::AttentionRow expected =
            kernels::reference::attention_row(one.q.data() + row, keys.data(), values.data(), seen, d, shape.softcap);
        for (std::uint32_t c = 0; c < d; ++c)
          ASSERT_NEAR(out[row + c], expected.output[c], 1e-5 * expected.absolute[c]) << position << " " << c;
      }
    }
  }
}

TEST_F(AttendTest, AnyChunkingOnAnyTableGivesTheBitsOfOneTokenAtATime) {
  for (const AttendShape& shape :
       {shape_of(Dtype::kF16, 3), shape_of(Dtype::kQ8_0, 2, {0, 300}), shape_of(Dtype::kBF16, 1),
        shape_of(Dtype::kF32, 2, {0, 40}, 2.0f), shape_of(Dtype::kF16, 3, {4, 150})}) {
    const AttendCase one(shape, 650, 12);
    const std::vector<float> expected = attend_alone(one, *supported_kernels()[0], 1);
    for (const AttentionKernels* kernels : supported_kernels())
      for (std::uint32_t chunk : {1u, 7u, 50u, 128u})
        EXPECT_TRUE(same_bits(expected, attend_alone(one, *kernels, chunk)))
            << kernels->name << " chunk " << chunk;
  }
}

TEST_F(AttendTest, QueriesAndOutputsOfOtherHeadsMayLieBetween) {
  const AttendCase one(shape_of(Dtype::kF16, 2), 300, 13);
  const std::size_t row = one.row_floats();
  const std::vector<float> expected = attend_alone(one, *supported_kernels().back(), 44);
  std::vector<float> spread(300 * row * 3, NAN), out(300 * row * 3, -1.0f);
  for (std::size_t token = 0; token < 300; ++token)
    std::copy_n(one.q.begin() + token * row, row, spread.begin() + token * row * 3);
  AttendScratch scratch;
  RowPartials partials;
  const Queries queries{spread.data() + 256 * row * 3, row * 3, 256, 44};
  const AttentionKernels& kernels = *supported_kernels().back();
  ASSERT_TRUE(partials.attend_local(kernels, one.shape, queries, one.leaves.held(), scratch));
  ASSERT_TRUE(partials.finish(kernels, {}, out.data(), row * 3));
  for (std::size_t token = 0; token < 44; ++token) {
    EXPECT_TRUE(same_bits(std::span(expected).subspan((256 + token) * row, row),
                          std::span(out).subspan(token * row * 3, row)));
    EXPECT_EQ(out[token * row * 3 + row], -1.0f);
  }
}

// Leaves of the tree are dealt to the compute node (holder 0) and to others, in runs of random length; each
// attends with a table of its own, some of them on several threads' pieces, and the nodes arrive in any
// order.
std::vector<float> attend_apart(const AttendCase& one,
                                std::uint32_t position,
                                std::uint32_t tokens,
                                std::uint32_t holders,
                                std::uint64_t seed) {
  Random random(seed);
  const auto tables = supported_kernels();
  const std::uint32_t newest = leaf_of(position);
  std::vector<std::vector<HeldLeaf>> held(holders);
  std::uint32_t holder = 0;
  // A sequence that begins behind a cached prefix has leaf i-1 elsewhere, too.
  const bool is_previous_local = newest < 2 || !one.shape.rule.sees_all() || random.below(2) == 0;
  std::optional<HeldLeaf> previous;
  for (const HeldLeaf& leaf : one.held) {
    if (leaf.leaf + 1 == newest && !is_previous_local) {
      previous = leaf;
      continue;
    }
    const bool is_local = leaf.leaf == 0 || leaf.leaf + 1 >= newest;
    if (random.below(3) == 0) holder = static_cast<std::uint32_t>(random.below(holders));
    held[is_local ? 0 : holder].push_back(leaf);
  }
  AttendScratch scratch;
  std::vector<NodeList> lists;
  for (std::uint32_t h = 1; h < holders; ++h) {
    const std::size_t cut = random.below(held[h].size() + 1);
    for (std::span<const HeldLeaf> piece : {std::span(held[h]).first(cut), std::span(held[h]).subspan(cut)}) {
      const AttentionKernels& kernels = *tables[random.below(tables.size())];
      attend_range(kernels, one.shape, one.queries(position, tokens), piece, lists.emplace_back(), scratch)
          .value();
    }
  }
  if (previous)
    attend_previous(*tables[random.below(tables.size())], one.shape, one.queries(position, tokens), *previous,
                    lists.emplace_back(), scratch);
  std::vector<TreeNode> nodes;
  for (const NodeList& list : lists)
    for (std::size_t n = 0; n < list.size(); ++n)
      nodes.insert(nodes.begin() + random.below(nodes.size() + 1), list[n]);
  RowPartials partials;
  partials
      .attend_local(*tables[random.below(tables.size())], one.shape, one.queries(position, tokens), held[0],
                    scratch, previous ? PreviousLeaf::kElsewhere : PreviousLeaf::kHere)
      .value();
  std::vector<float> out(tokens * one.row_floats());
  partials.finish(*tables[random.below(tables.size())], nodes, out.data(), one.row_floats()).value();
  return out;
}

TEST_F(AttendTest, AnyDistributionOfLeavesOverHoldersGivesTheBitsOfOneProcess) {
  for (const AttendShape& shape :
       {shape_of(Dtype::kF16, 3), shape_of(Dtype::kQ8_0, 2, {0, 700}), shape_of(Dtype::kF16, 1, {0, 300}),
        shape_of(Dtype::kF16, 2, {16, 500})}) {
    const std::uint32_t total = 128 * 13 + 50;
    const AttendCase one(shape, total, 14);
    const std::vector<float> expected = attend_alone(one, *supported_kernels().back(), 128);
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      Random random(seed);
      const std::uint32_t position = static_cast<std::uint32_t>(random.below(total));
      const std::uint32_t room = std::min(total - position, 128 - position % 128);
      const std::uint32_t tokens = seed % 3 == 0 ? 1 : 1 + static_cast<std::uint32_t>(random.below(room));
      const std::uint32_t holders = 1 + static_cast<std::uint32_t>(seed % 5);
      const std::vector<float> out = attend_apart(one, position, tokens, holders, seed);
      const std::size_t at = position * one.row_floats();
      EXPECT_TRUE(same_bits(std::span(expected).subspan(at, out.size()), out))
          << "position " << position << " tokens " << tokens << " holders " << holders << " seed " << seed;
    }
  }
}

// Halves of leaves, as a selector chooses them, for one token: against the reference, and over holders.
TEST_F(AttendTest, WhatIsNotChosenIsNotSeenByAnyDistribution) {
  constexpr KeyRange kChoices[] = {{0, 0}, {0, 64}, {64, 128}, {0, 128}};
  constexpr std::uint32_t kPosition = 128 * 13 + 20;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    AttendCase one(shape_of(seed % 2 == 0 ? Dtype::kF16 : Dtype::kQ8_0, 3), kPosition + 1, seed);
    for (std::uint32_t leaf = 1; leaf < 12; ++leaf)  // 12, 13 and 0 are always seen
      one.held[leaf].chosen = kChoices[random.below(seed % 3 == 0 ? 2 : 4)];
    const std::vector<float> out = attend_apart(one, kPosition, 1, 1, seed);
    std::vector<float> keys, values;
    std::uint32_t seen = 0;
    const std::uint32_t d = one.shape.layout.d;
    for (std::uint32_t key = 0; key <= kPosition; ++key) {
      const KeyRange chosen = one.held[leaf_of(key)].chosen;
      if (key % 128 < chosen.begin || key % 128 >= chosen.end) continue;
      ++seen;
      keys.insert(keys.end(), one.leaves.keys().begin() + key * d, one.leaves.keys().begin() + (key + 1) * d);
      values.insert(values.end(), one.leaves.values().begin() + key * d, one.leaves.values().begin() + (key + 1) * d);
    }
    for (std::uint32_t head = 0; head < 3; ++head) {
      const kernels::reference::AttentionRow expected =
          kernels::reference::attention_row(one.q.data() + kPosition * one.row_floats() + head * d, keys.data(), values.data(),
                                            seen, d, 0);
      for (std::uint32_t c = 0; c < d; ++c)
        ASSERT_NEAR(out[head * d + c], expected.output[c], 1e-5 * expected.absolute[c]) << seed << " " << c;
    }
    for (std::uint32_t holders = 2; holders < 6; ++holders)
      EXPECT_TRUE(same_bits(out, attend_apart(one, kPosition, 1, holders, seed + holders))) << seed << ' ' << holders;
  }
}

TEST_F(AttendTest, RowsOfMoreThanOneTileGiveTheBitsOfFewRows) {
  const AttendCase one({.layout = {Dtype::kF16, 32}, .group = 6}, 128 * 6, 15);
  const AttentionKernels& kernels = *supported_kernels().back();
  EXPECT_TRUE(same_bits(attend_alone(one, kernels, 128), attend_alone(one, kernels, 1)));
}

TEST(RequiredRangeTest, IsTheMiddleOfTheSequenceThatTheFirstTokenSees) {
  const AttendShape whole = shape_of(Dtype::kF16, 1);
  EXPECT_TRUE(required_range(whole, 0).is_empty());
  EXPECT_TRUE(required_range(whole, 383).is_empty());
  EXPECT_EQ(required_range(whole, 384), (TreeRange{0, 1}));
  EXPECT_EQ(required_range(whole, 128 * 10 + 5), (TreeRange{0, 8}));
  const auto windowed = [](std::uint32_t window, std::uint32_t position) {
    return required_range(shape_of(Dtype::kF16, 1, {0, window}), position);
  };
  EXPECT_EQ(windowed(512, 1280), (TreeRange{5, 8}));  // sees from 769: leaf 6
  EXPECT_EQ(windowed(513, 1280), (TreeRange{5, 8}));  // sees from 768, the first of leaf 6
  EXPECT_EQ(windowed(514, 1280), (TreeRange{4, 8}));  // sees from 767: leaf 5
  EXPECT_EQ(windowed(5000, 1280), (TreeRange{0, 8}));
  EXPECT_TRUE(windowed(100, 1280).is_empty());
}

TEST_F(AttendTest, AMissingLeafAFailingCoverAndAnUnwrittenTailAreDataLoss) {
  const AttendCase one(shape_of(Dtype::kF16, 1), 128 * 6 + 10, 16);
  const AttentionKernels& kernels = *supported_kernels().back();
  const Queries queries = one.queries(128 * 6 + 3, 5);
  std::vector<float> out(5 * one.row_floats(), -1.0f);
  AttendScratch scratch;
  RowPartials partials;
  for (std::uint32_t missing : {0u, 5u, 6u}) {
    std::vector<HeldLeaf> held(one.leaves.held().begin(), one.leaves.held().end());
    held.erase(held.begin() + missing);
    const auto attended = partials.attend_local(kernels, one.shape, queries, held, scratch);
    ASSERT_FALSE(attended);
    EXPECT_EQ(attended.error().code, ErrorCode::kDataLoss);
    EXPECT_THAT(attended.error().message, testing::HasSubstr("leaf " + std::to_string(missing)));
  }
  std::vector<HeldLeaf> short_of(one.leaves.held().begin(), one.leaves.held().end());
  short_of[6].written = 7;  // the last row sees 8
  EXPECT_FALSE(partials.attend_local(kernels, one.shape, queries, short_of, scratch));
  short_of[6].written = 8;
  EXPECT_TRUE(partials.attend_local(kernels, one.shape, queries, short_of, scratch));
  short_of[2].written = 127;
  NodeList nodes;
  EXPECT_EQ(attend_range(kernels, one.shape, queries, short_of, nodes, scratch).error().code,
            ErrorCode::kDataLoss);

  // Tree leaf 2 is with nobody, then with two.
  std::vector<HeldLeaf> held(one.leaves.held().begin(), one.leaves.held().end());
  held.erase(held.begin() + 3);
  ASSERT_TRUE(partials.attend_local(kernels, one.shape, queries, held, scratch));
  const auto incomplete = partials.finish(kernels, {}, out.data(), one.row_floats());
  ASSERT_FALSE(incomplete);
  EXPECT_EQ(incomplete.error().code, ErrorCode::kDataLoss);
  EXPECT_EQ(out, std::vector<float>(out.size(), -1.0f));
  ASSERT_TRUE(attend_range(kernels, one.shape, queries, one.leaves.held().subspan(3, 1), nodes, scratch));
  std::vector<TreeNode> others{nodes[0]};
  EXPECT_TRUE(partials.finish(kernels, others, out.data(), one.row_floats()));
  others.push_back(nodes[0]);
  EXPECT_EQ(partials.finish(kernels, others, out.data(), one.row_floats()).error().code,
            ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace longshore::attention
