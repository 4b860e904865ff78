#include "runtime/attention/unit_selection.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace longshore::attention {

using retrieval::kUnitsOfLeaf;
using retrieval::kUnitTokens;

void UnitSelection::reset(std::uint32_t leaf_end, std::uint32_t group) {
  leaf_end_ = leaf_end;
  group_ = group;
  const std::size_t leaves = leaf_end - 1;
  logits_.resize(group * leaves * kUnitsOfLeaf);
  told_.assign(leaves, false);
  chosen_.assign(leaves, KeyRange{0, 0});
}

Result<void> UnitSelection::put(std::uint32_t leaf, std::uint32_t leaves, std::span<const float> logits) {
  CHECK(logits.size() == std::size_t{group_} * leaves * kUnitsOfLeaf) << logits.size();
  if (leaf < 1 || leaf >= leaf_end_ || leaves > leaf_end_ - leaf)
    return make_error(ErrorCode::kDataLoss, "scores of leaves [", leaf, ", ", leaf + leaves, ") are not of [1, ", leaf_end_, ")");
  for (std::uint32_t i = leaf - 1; i < leaf - 1 + leaves; ++i) {
    if (told_[i]) return make_error(ErrorCode::kDataLoss, "leaf ", i + 1, " was scored twice");
    told_[i] = true;
  }
  const std::size_t units = told_.size() * kUnitsOfLeaf, given = std::size_t{leaves} * kUnitsOfLeaf;
  for (std::uint32_t r = 0; r < group_; ++r)
    std::copy_n(logits.begin() + r * given, given, logits_.begin() + r * units + (leaf - 1) * kUnitsOfLeaf);
  return {};
}

Result<void> UnitSelection::score(retrieval::MeanIndex& index, std::uint32_t d, const float* q,
                                  std::span<const HeldLeaf> held) {
  for (std::size_t begin = 0; begin < held.size();) {
    std::size_t end = begin;
    means_.clear();
    for (; end < held.size() && held[end].leaf == held[begin].leaf + (end - begin); ++end)
      means_.push_back(index.of(held[end].block));
    scored_.resize(group_ * means_.size() * kUnitsOfLeaf);
    index.kernels().score(means_.data(), means_.size(), d, q, group_, scored_.data());
    if (Result<void> done = put(held[begin].leaf, static_cast<std::uint32_t>(end - begin), scored_); !done) return done;
    begin = end;
  }
  return {};
}

Result<void> UnitSelection::choose(const retrieval::MeanKernels& kernels, std::uint32_t units) {
  const auto missing = std::find(told_.begin(), told_.end(), false);
  if (missing != told_.end())
    return make_error(ErrorCode::kDataLoss, "nobody has leaf ", missing - told_.begin() + 1, "; recompute from the tokens");
  const auto all = static_cast<std::uint32_t>(told_.size() * kUnitsOfLeaf);
  for (const std::uint32_t unit : choice_.choose(kernels, logits_.data(), group_, all, units)) {
    KeyRange& range = chosen_[unit / kUnitsOfLeaf];
    const std::uint32_t begin = unit % kUnitsOfLeaf * kUnitTokens;
    if (range.begin == range.end) range.begin = begin;
    range.end = begin + kUnitTokens;
  }
  return {};
}

void UnitSelection::write(std::uint32_t leaf_end, std::span<std::byte> bits) const {
  std::fill(bits.begin(), bits.end(), std::byte{0});
  for (std::uint32_t leaf = 1; leaf < std::min(leaf_end, leaf_end_); ++leaf)
    for (std::uint32_t half = 0; half < kUnitsOfLeaf; ++half) {
      const std::uint32_t unit = leaf * kUnitsOfLeaf + half, position = half * kUnitTokens;
      if (chosen(leaf).begin <= position && position < chosen(leaf).end) bits[unit / 8] |= std::byte{1} << (unit % 8);
    }
}

}  // namespace longshore::attention
