// One leaf: every table against the reference in doubles, and against each other bit for bit.

#include "runtime/plan/leaf.h"

#include <cmath>
#include <gtest/gtest.h>

#include "runtime/base/random.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kernels/reference/attention.h"
#include "tests/kernels/attention/leaf_partial.h"

namespace longshore::attention {
namespace {

using kernels::reference::attention_row;
using kernels::reference::AttentionRow;

struct LeafCase {
  kv::KvLayout layout;
  std::uint32_t rows;
  float softcap;
};

std::vector<LeafCase> leaf_cases() {
  std::vector<LeafCase> cases;
  for (Dtype type : {Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kQ8_0}) {
    for (std::uint32_t d : {16u, 32u, 64u, 80u, 96u, 128u, 256u}) {
      const kv::KvLayout layout{type, d};
      if (!layout.validate()) continue;
      for (std::uint32_t rows : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 12u, 13u, 31u}) {
        if (d > 64 && rows > 13) continue;
        cases.push_back({layout, rows, (rows + d / 16) % 3 == 0 ? 5.0f : 0.0f});
      }
    }
  }
  return cases;
}

class LeafTest : public testing::TestWithParam<LeafCase> {
 protected:
  void SetUp() override { set_float_environment(); }
};

// Ranges of all kinds: whole, none, one key, both ends anywhere, up to what was written.
std::vector<KeyRange> random_ranges(std::uint32_t rows, std::uint32_t written, std::uint64_t seed) {
  Random random(seed);
  std::vector<KeyRange> ranges(rows);
  for (KeyRange& range : ranges) {
    const std::uint32_t a = static_cast<std::uint32_t>(random.below(written + 1));
    const std::uint32_t b = static_cast<std::uint32_t>(random.below(written + 1));
    switch (random.below(5)) {
      case 0:
        range = {0, written};
        break;
      case 1:
        range = {a, a};
        break;
      case 2:
        range = {written - 1, written};
        break;
      case 3:
        range = {0, a};
        break;
      default:
        range = {std::min(a, b), std::max(a, b)};
    }
  }
  return ranges;
}

TEST_P(LeafTest, EveryTableAgreesWithTheReferenceAndWithEachOther) {
  const auto& [layout, rows, softcap] = GetParam();
  const std::uint32_t d = layout.d;
  for (std::uint32_t written : {1u, 16u, 77u, 128u}) {
    const FilledLeaves leaves(layout, written, rows * 1000 + written);
    const std::vector<float> q = random_floats(std::size_t{rows} * d, 1.0f, rows);
    const std::vector<KeyRange> visible = random_ranges(rows, written, rows + written + d);
    const LeafPartial first =
        attend_leaf(*supported_kernels()[0], layout, leaves.held()[0], q, visible, softcap);
    for (const AttentionKernels* kernels : supported_kernels()) {
      const LeafPartial other = attend_leaf(*kernels, layout, leaves.held()[0], q, visible, softcap);
      EXPECT_TRUE(same_bits(first, other)) << kernels->name << ", " << written << " positions";
    }
    for (std::uint32_t r = 0; r < rows; ++r) {
      const KeyRange range = visible[r];
      const std::uint32_t count = range.end - range.begin;
      const AttentionRow expected =
          attention_row(&q[r * d], leaves.keys().data() + range.begin * d,
                        leaves.values().data() + range.begin * d, count, d, softcap);
      if (count == 0) {
        EXPECT_EQ(first.weight[r], 0.0f);
        continue;
      }
      // Logits reach 30 here and their rounding is amplified by exp: 30 * 2^-24 * a few terms.
      EXPECT_NEAR(first.max[r], expected.max, 1e-5 * (1 + std::fabs(expected.max)));
      EXPECT_NEAR(first.weight[r], expected.weight, 3e-5 * expected.weight);
      for (std::uint32_t c = 0; c < d; ++c)
        ASSERT_NEAR(first.sum[r * d + c] / first.weight[r], expected.output[c],
                    3e-5 * expected.absolute[c] + 1e-12)
            << "row " << r << " column " << c;
    }
  }
}

TEST_P(LeafTest, ARowDoesNotDependOnItsNeighbours) {
  const auto& [layout, rows, softcap] = GetParam();
  const std::uint32_t d = layout.d;
  const FilledLeaves leaves(layout, 119, rows);
  const std::vector<float> q = random_floats(std::size_t{rows} * d, 1.0f, rows + 5);
  const std::vector<KeyRange> visible = random_ranges(rows, 119, rows * d);
  const auto all = supported_kernels();
  const AttentionKernels& kernels = *all.back();
  const LeafPartial together = attend_leaf(kernels, layout, leaves.held()[0], q, visible, softcap);
  for (std::uint32_t r = 0; r < rows; ++r) {
    const LeafPartial alone = attend_leaf(kernels, layout, leaves.held()[0], std::span(q).subspan(r * d, d),
                                          std::span(visible).subspan(r, 1), softcap);
    EXPECT_TRUE(same_bits(alone.sum, std::span(together.sum).subspan(r * d, d))) << "row " << r;
    EXPECT_TRUE(same_bits(alone.max, std::span(together.max).subspan(r, 1))) << "row " << r;
    EXPECT_TRUE(same_bits(alone.weight, std::span(together.weight).subspan(r, 1))) << "row " << r;
  }
}

std::string case_name(const testing::TestParamInfo<LeafCase>& which) {
  const LeafCase& one = which.param;
  return layout_name(one.layout) + "_rows" + std::to_string(one.rows) + (one.softcap != 0 ? "_capped" : "");
}

INSTANTIATE_TEST_SUITE_P(Shapes, LeafTest, testing::ValuesIn(leaf_cases()), case_name);

// The register tiles see full height only with many rows: one large case with the diagonal of a prefill.
TEST(LeafDiagonalTest, TilesOfEveryHeightGiveTheRowsOfDecode) {
  set_float_environment();
  const kv::KvLayout layout{Dtype::kF16, 64};
  const FilledLeaves leaves(layout, 128, 3);
  for (const AttentionKernels* kernels : supported_kernels()) {
    for (std::uint32_t rows = 9; rows <= 192; rows += rows < 36 ? 1 : 52) {
      const std::vector<float> q = random_floats(rows * 64u, 1.0f, rows);
      std::vector<KeyRange> visible(rows);
      for (std::uint32_t r = 0; r < rows; ++r)
        visible[r] = {r / 2 > 60 ? r / 2 - 60 : 0, std::min(128u, r / 3 + 1)};
      const LeafPartial together = attend_leaf(*kernels, layout, leaves.held()[0], q, visible, 0);
      for (std::uint32_t r = 0; r < rows; ++r) {
        const LeafPartial alone =
            attend_leaf(*kernels, layout, leaves.held()[0], std::span(q).subspan(r * 64, 64),
                        std::span(visible).subspan(r, 1), 0);
        ASSERT_TRUE(same_bits(alone.sum, std::span(together.sum).subspan(r * 64, 64)))
            << kernels->name << ": row " << r << " of " << rows;
        ASSERT_EQ(alone.weight[0], together.weight[r]);
      }
    }
  }
}

TEST(LeafExtremesTest, LogitsFurtherApartThanFloatsRangeLeaveTheLargestKey) {
  set_float_environment();
  const kv::KvLayout layout{Dtype::kF32, 16};
  std::vector<float> k(2 * 16, 0.0f), v(2 * 16, 0.0f);
  k[0] = 1e20f;
  k[16] = -1e20f;
  v[0] = 3.0f;
  v[16] = 5.0f;
  Buffer block = Buffer::allocate(layout.block_bytes()).value();
  ASSERT_TRUE(kv::append(layout, block.data(), 0, 2, {k.data(), 16}, {v.data(), 16}));
  std::vector<float> q(16, 0.0f);
  q[0] = 1e15f;
  for (const AttentionKernels* kernels : supported_kernels()) {
    const std::vector<KeyRange> both{{0, 2}};
    const LeafPartial out = attend_leaf(*kernels, layout, {0, 2, block.data()}, q, both, 0);
    EXPECT_EQ(out.weight[0], 1.0f);
    EXPECT_EQ(out.sum[0], 3.0f);
    EXPECT_EQ(out.max[0], 1e35f);
  }
}

TEST(LeafExtremesTest, ZerosHaveOneSign) {
  set_float_environment();
  const kv::KvLayout layout{Dtype::kF32, 16};
  const std::vector<float> k(128 * 16, 0.0f), v(128 * 16, -0.0f);
  Buffer block = Buffer::allocate(layout.block_bytes()).value();
  ASSERT_TRUE(kv::append(layout, block.data(), 0, 128, {k.data(), 16}, {v.data(), 16}));
  const std::vector<float> q(16, -1.0f);
  for (const AttentionKernels* kernels : supported_kernels()) {
    const std::vector<KeyRange> visible{{3, 4}};
    const LeafPartial out = attend_leaf(*kernels, layout, {0, 128, block.data()}, q, visible, 0);
    EXPECT_FALSE(std::signbit(out.max[0]));
    EXPECT_FALSE(std::signbit(out.sum[0]));
  }
}

}  // namespace
}  // namespace longshore::attention
