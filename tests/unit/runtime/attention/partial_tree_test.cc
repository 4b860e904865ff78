// The fixed tree: any holders' nodes fold to the bits of one run, and a cover that is not exact is refused.

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "runtime/base/random.h"
#include "runtime/base/thread_pool.h"
#include "tests/kernels/attention/leaf_partial.h"

namespace longshore::attention {
namespace {

constexpr std::uint32_t kRows = 3;
constexpr std::uint32_t kD = 16;

class PartialTreeTest : public testing::Test {
 protected:
  void SetUp() override { set_float_environment(); }
  const AttentionKernels& kernels_ = *supported_kernels().back();
};

// Leaf partials that are a function of the tree leaf; some rows see nothing of it.
void fill_leaf(std::uint32_t tree_leaf, PartialSpan out, std::uint32_t rows) {
  const std::vector<float> floats = random_floats(partial_floats(kRows, kD), 1.0f, tree_leaf);
  for (std::uint32_t r = 0; r < rows; ++r) {
    const bool sees = random_bits(5, tree_leaf, r) % 4 != 0;
    for (std::uint32_t c = 0; c < kD; ++c) out.sum[r * kD + c] = sees ? floats[r * kD + c] : 0;
    out.max[r] = sees ? floats[kRows * kD + r] * 8 : -INFINITY;
    out.weight[r] = sees ? 1 + floats[kRows * kD + kRows + r] : 0;
  }
}

void put_leaf(const AttentionKernels& kernels, NodeList& list, std::uint32_t tree_leaf) {
  fill_leaf(tree_leaf, list.add_leaf(tree_leaf), list.rows());
  list.merge_siblings(kernels);
}

std::vector<float> floats_of(PartialView view) {
  std::vector<float> floats(view.sum, view.sum + kRows * kD);
  floats.insert(floats.end(), view.max, view.max + kRows);
  floats.insert(floats.end(), view.weight, view.weight + kRows);
  return floats;
}

// The definition: node (level, index) is the merge of its children, and what lies outside `range` is the
// identity.
AttentionPartial by_definition(const AttentionKernels& kernels, TreeRange range, NodeName name) {
  AttentionPartial partial;
  partial.resize(kRows, kD);
  set_identity(partial.span(), kRows, kD);
  const TreeRange covers = name.range();
  if (covers.end <= range.begin || covers.begin >= range.end) return partial;
  if (name.level == 0) {
    fill_leaf(name.index, partial.span(), kRows);
    return partial;
  }
  const AttentionPartial left = by_definition(kernels, range, {name.level - 1, name.index * 2});
  const AttentionPartial right = by_definition(kernels, range, {name.level - 1, name.index * 2 + 1});
  kernels.merge(kRows, kD, partial.span(), left.view(), right.view());
  return partial;
}

TEST_F(PartialTreeTest, AnyHoldersFoldToTheDefinition) {
  TreeFold fold;
  const auto tables = supported_kernels();
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Random random(seed);
    const std::uint32_t end = 1 + static_cast<std::uint32_t>(random.below(40));
    const TreeRange range{seed % 2 == 0 ? 0 : static_cast<std::uint32_t>(random.below(end)), end};
    const std::uint32_t holders = 1 + static_cast<std::uint32_t>(random.below(5));
    std::vector<NodeList> lists(holders);
    for (NodeList& list : lists) list.reset(kRows, kD);
    std::uint32_t holder = 0;
    for (std::uint32_t leaf = range.begin; leaf < range.end; ++leaf) {
      if (random.below(4) == 0) holder = static_cast<std::uint32_t>(random.below(holders));
      put_leaf(*tables[holder % tables.size()], lists[holder], leaf);
    }
    std::vector<TreeNode> nodes;
    for (const NodeList& list : lists)
      for (std::size_t n = 0; n < list.size(); ++n) nodes.push_back(list[n]);
    std::shuffle(nodes.begin(), nodes.end(), random);
    const Result<PartialView> folded = fold.fold(kernels_, range, nodes, kRows, kD);
    ASSERT_TRUE(folded) << folded.error().message;
    const AttentionPartial expected = by_definition(kernels_, range, {6, 0});
    EXPECT_TRUE(same_bits(floats_of(expected.view()), floats_of(*folded)))
        << "tree leaves " << range.begin << " to " << range.end << ", seed " << seed;
  }
}

TEST_F(PartialTreeTest, AHolderKeepsTheMaximalAlignedSubtrees) {
  NodeList list;
  list.reset(kRows, kD);
  for (std::uint32_t leaf = 3; leaf < 14; ++leaf) put_leaf(kernels_, list, leaf);
  const std::vector<NodeName> expected{{0, 3}, {2, 1}, {2, 2}, {1, 6}};
  ASSERT_EQ(list.size(), expected.size());
  for (std::size_t n = 0; n < expected.size(); ++n) EXPECT_EQ(list[n].name, expected[n]);
}

TEST_F(PartialTreeTest, ListsThatFollowOneAnotherAreAsOneList) {
  for (std::uint32_t first_cut = 3; first_cut <= 14; ++first_cut)
    for (std::uint32_t second_cut = first_cut; second_cut <= 14; ++second_cut) {
      NodeList whole, joined, middle, last;
      for (NodeList* list : {&whole, &joined, &middle, &last}) list->reset(kRows, kD);
      for (std::uint32_t leaf = 3; leaf < 14; ++leaf) {
        put_leaf(kernels_, whole, leaf);
        put_leaf(kernels_, leaf < first_cut ? joined : leaf < second_cut ? middle : last, leaf);
      }
      joined.append(kernels_, middle);
      joined.append(kernels_, last);
      ASSERT_EQ(joined.size(), whole.size()) << first_cut << " " << second_cut;
      for (std::size_t n = 0; n < whole.size(); ++n) {
        EXPECT_EQ(joined[n].name, whole[n].name);
        EXPECT_TRUE(same_bits(floats_of(joined[n].partial), floats_of(whole[n].partial)));
      }
    }
}

TEST_F(PartialTreeTest, RowsMayBeDoneInPasses) {
  NodeList whole, passes;
  whole.reset(kRows, kD);
  passes.reset(kRows, kD);
  for (std::uint32_t leaf = 0; leaf < 7; ++leaf) put_leaf(kernels_, whole, leaf);
  for (std::uint32_t row = 0; row < kRows; ++row) {
    passes.begin_rows(row, 1);
    for (std::uint32_t leaf = 0; leaf < 7; ++leaf) {
      AttentionPartial all;
      all.resize(kRows, kD);
      fill_leaf(leaf, all.span(), kRows);
      const PartialSpan out = passes.add_leaf(leaf);
      std::copy_n(all.view().sum + row * kD, kD, out.sum);
      *out.max = all.view().max[row];
      *out.weight = all.view().weight[row];
      passes.merge_siblings(kernels_);
    }
  }
  ASSERT_EQ(whole.size(), passes.size());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(whole[n].name, passes[n].name);
    EXPECT_TRUE(same_bits(floats_of(whole[n].partial), floats_of(passes[n].partial)));
  }
}

TEST_F(PartialTreeTest, RefusesWhatDoesNotCoverTheRangeExactly) {
  AttentionPartial any;
  any.resize(kRows, kD);
  set_identity(any.span(), kRows, kD);
  TreeFold fold;
  const auto code_of = [&](TreeRange range, std::vector<NodeName> names) {
    std::vector<TreeNode> nodes;
    for (const NodeName& name : names) nodes.push_back({name, any.view()});
    const auto folded = fold.fold(kernels_, range, nodes, kRows, kD);
    return folded ? ErrorCode::kInternal : folded.error().code;
  };
  EXPECT_EQ(code_of({0, 4}, {{1, 0}, {0, 3}}), ErrorCode::kDataLoss) << "gap";
  EXPECT_EQ(code_of({0, 4}, {{1, 0}}), ErrorCode::kDataLoss) << "gap at the end";
  EXPECT_EQ(code_of({0, 4}, {{0, 1}, {1, 1}}), ErrorCode::kDataLoss) << "gap at the beginning";
  EXPECT_EQ(code_of({0, 4}, {}), ErrorCode::kDataLoss) << "nothing";
  EXPECT_EQ(code_of({0, 4}, {{2, 0}, {0, 2}}), ErrorCode::kDataLoss) << "overlap";
  EXPECT_EQ(code_of({0, 4}, {{2, 0}, {2, 0}}), ErrorCode::kDataLoss) << "twice";
  EXPECT_EQ(code_of({0, 3}, {{2, 0}}), ErrorCode::kDataLoss) << "beyond the end";
  EXPECT_EQ(code_of({1, 4}, {{2, 0}}), ErrorCode::kDataLoss) << "before the beginning";
  EXPECT_EQ(code_of({0, 4}, {{2, 1}}), ErrorCode::kDataLoss) << "elsewhere";
  EXPECT_EQ(code_of({0, 4}, {{40, 0}}), ErrorCode::kDataLoss) << "a level that no tree has";
  EXPECT_EQ(code_of({0, 4}, {{2, 0x40000000}}), ErrorCode::kDataLoss) << "a range that wraps to 0";
  EXPECT_EQ(code_of({}, {{0, 0}}), ErrorCode::kDataLoss) << "a node where none is due";
  const auto empty = fold.fold(kernels_, {}, {}, kRows, kD);
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->sum, nullptr);
}

TEST(CutAlignedTest, CutsAreAscendingAlignedAndBalanced) {
  for (std::uint32_t begin : {0u, 5u}) {
    for (std::uint32_t length : {0u, 1u, 3u, 7u, 64u, 100u, 1000u}) {
      for (std::uint32_t parts : {1u, 2u, 3u, 8u}) {
        std::vector<std::uint32_t> cuts(parts + 1);
        cut_aligned({begin, begin + length}, cuts);
        EXPECT_EQ(cuts.front(), begin);
        EXPECT_EQ(cuts.back(), begin + length);
        EXPECT_TRUE(std::is_sorted(cuts.begin(), cuts.end()));
        for (std::uint32_t part = 0; part < parts && length >= 8 * parts; ++part)
          EXPECT_NEAR(cuts[part + 1] - cuts[part], double{1.0} * length / parts, 0.26 * length / parts)
              << part;
      }
    }
  }
  std::vector<std::uint32_t> cuts(3);
  cut_aligned({0, 1000}, cuts);
  EXPECT_EQ(cuts[1], 512u);
}

}  // namespace
}  // namespace longshore::attention
