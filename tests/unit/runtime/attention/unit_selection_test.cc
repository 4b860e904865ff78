#include "runtime/attention/unit_selection.h"

#include <gtest/gtest.h>

#include <vector>


namespace longshore::attention {
namespace {

const retrieval::MeanKernels& kKernels = retrieval::mean_kernels(kernels::Isa::kPortable);

// Of two rows; unit u has logit best for the units given, else 0.
std::vector<float> logits(std::uint32_t leaves, std::initializer_list<std::uint32_t> best) {
  std::vector<float> all(2 * 2 * leaves);
  for (const std::uint32_t unit : best) all[unit] = all[2 * leaves + unit] = 9;
  return all;
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> chosen(const UnitSelection& selection, std::uint32_t leaf_end) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
  for (std::uint32_t leaf = 1; leaf < leaf_end; ++leaf)
    ranges.emplace_back(selection.chosen(leaf).begin, selection.chosen(leaf).end);
  return ranges;
}

TEST(UnitSelectionTest, PutsTogetherWhatComesInAnyOrder) {
  UnitSelection selection;
  for (int round = 0; round < 2; ++round) {
    selection.reset(6, 2);  // leaves 1 to 5
    ASSERT_TRUE(selection.put(4, 2, logits(2, {1})));
    ASSERT_TRUE(selection.put(1, 3, logits(3, {0, 4, 5})));
    ASSERT_TRUE(selection.choose(kKernels, 4));
    EXPECT_EQ(chosen(selection, 6), (std::vector<std::pair<std::uint32_t, std::uint32_t>>{
                                        {0, 64}, {0, 0}, {0, 128}, {64, 128}, {0, 0}}));
  }
  std::vector<std::byte> bits(2, std::byte{0xff});
  selection.write(5, bits);  // units 2, 6, 7 and 9, of leaves 0 to 4
  EXPECT_EQ(bits, (std::vector<std::byte>{std::byte{0b11000100}, std::byte{0b00000010}}));
  bits.assign(3, std::byte{0xff});
  selection.write(9, bits);  // nothing is chosen beyond leaf 5
  EXPECT_EQ(bits, (std::vector<std::byte>{std::byte{0b11000100}, std::byte{0b00000010}, std::byte{0}}));
}

TEST(UnitSelectionTest, RefusesWhatIsMissingDoubledOrForeign) {
  UnitSelection selection;
  selection.reset(4, 2);
  ASSERT_TRUE(selection.put(1, 2, logits(2, {})));
  EXPECT_EQ(selection.choose(kKernels, 1).error().message, "nobody has leaf 3; recompute from the tokens");
  EXPECT_EQ(selection.put(2, 2, logits(2, {})).error().message, "leaf 2 was scored twice");
  for (const std::uint32_t leaf : {0u, 4u, 3u})
    EXPECT_EQ(selection.put(leaf, 2, logits(2, {})).error().code, ErrorCode::kDataLoss) << leaf;
}

}  // namespace
}  // namespace longshore::attention
