#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/attention/attend.h"
#include "runtime/base/result.h"
#include "runtime/retrieval/mean_index.h"
#include "runtime/retrieval/unit_choice.h"

namespace longshore::attention {

// What one token reads in one layer and KV head, of leaves 1 to i-2 of its sequence, i being its own: logits of their units
// come from whoever holds them, and when all are there some units are chosen. Reusable; one thread.
class UnitSelection {
 public:
  // Starts anew for leaves [1, leaf_end) and rows of `group` query heads.
  void reset(std::uint32_t leaf_end, std::uint32_t group);
  // The logits [G, 2 * leaves] of `leaves` leaves from `leaf` on. Errors: kDataLoss unless they are leaves of the range that
  // nobody has told of.
  Result<void> put(std::uint32_t leaf, std::uint32_t leaves, std::span<const float> logits);
  // Scores leaves of this process. Errors: those of put.
  Result<void> score(retrieval::MeanIndex& index, std::uint32_t d, const float* q, std::span<const HeldLeaf> held);
  // Chooses `units`. Errors: kDataLoss unless every leaf was told of.
  Result<void> choose(const retrieval::MeanKernels& kernels, std::uint32_t units);

  // What is to be read of a leaf of the range.
  KeyRange chosen(std::uint32_t leaf) const { return chosen_[leaf - 1]; }
  // The same as bits, for all leaves of [0, leaf_end): bit u % 8 of byte u / 8 is unit u % 2 of leaf u / 2. Those beyond the
  // range are 0.
  void write(std::uint32_t leaf_end, std::span<std::byte> bits) const;

 private:
  std::uint32_t leaf_end_ = 1;
  std::uint32_t group_ = 0;
  std::vector<float> logits_;            // [G, units]
  std::vector<bool> told_;               // by leaf
  std::vector<KeyRange> chosen_;  // by leaf
  retrieval::UnitChoice choice_;
  std::vector<const std::uint16_t*> means_;
  std::vector<float> scored_;
};

}  // namespace longshore::attention
