#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/plan/leaf.h"

namespace longshore {

// Which positions a row may see in one layer and KV head: with `window` 0 all up to its own; else itself, the window - 1
// before it, and the first `sinks` of the sequence (Xiao et al. 2023, StreamingLLM). As long as the window begins in leaf 0,
// a row with sinks sees all of that leaf: at most 127 positions more, and what it sees stays one range in every leaf.
struct HeadRule {
  std::uint32_t sinks = 0;   // [0, 128]: they lie in leaf 0, which stays on the compute node
  std::uint32_t window = 0;  // 0: all

  bool sees_all() const { return window == 0; }
  // The first position of the window of a row at `position`.
  std::uint64_t window_begin(std::uint64_t position) const {
    if (sees_all() || position + 1 <= window) return 0;
    const std::uint64_t begin = position + 1 - window;
    return sinks > 0 && begin < kLeafTokens ? 0 : begin;
  }
  bool operator==(const HeadRule&) const = default;
};

// How much a decode row reads of what it may see, in each head that sees all: leaf 0, its own leaf, the one before, and of
// the leaves between as many units of 64 positions as the budget leaves room for, chosen by its query (block_means.h,
// unit_choice.h; Zhao et al. 2025, InfLLM-V2, arXiv 2509.24663, without its training). Rows of the prompt read all.
struct SelectionRule {
  static constexpr std::uint32_t kAlways = 3 * kLeafTokens, kUnit = 64;
  std::uint32_t budget = 0;  // positions, from kAlways + kUnit on; 0: all

  bool selects() const { return budget != 0; }
  std::uint32_t units() const { return (budget - kAlways) / kUnit; }
  // Whether a row at `position` reads less than it may see, and how many positions it reads.
  bool leaves_out_at(std::uint64_t position) const {
    const std::uint64_t leaf = leaf_of(position);
    return selects() && leaf > 2 && (leaf - 2) * (kLeafTokens / kUnit) > units();
  }
  std::uint64_t positions_read(std::uint64_t position) const {
    if (!leaves_out_at(position)) return position + 1;
    return kAlways - kLeafTokens + position % kLeafTokens + 1 + std::uint64_t{units()} * kUnit;
  }
  bool operator==(const SelectionRule&) const = default;
};

// The rules of all heads of one sequence, in every row, prompt and output alike: by layer and KV head, or one for all, or
// none, where every head sees all. A layer in which the model itself has a window keeps the model's.
struct HeadPlan {
  std::vector<HeadRule> rules;  // [], [1] or [L * Hkv]
  SelectionRule selection = {};

  // Whether every head sees all, and so all that was computed is kept; whether none does.
  bool sees_all() const;
  bool is_narrow() const;
  HeadRule rule(std::uint32_t layer, std::uint32_t kv_head, std::uint32_t kv_heads) const {
    if (rules.size() <= 1) return rules.empty() ? HeadRule{} : rules.front();
    return rules[std::size_t{layer} * kv_heads + kv_head];
  }
  bool operator==(const HeadPlan&) const = default;
};

// Errors: kInvalidArgument unless there are 0, 1 or layers * kv_heads rules, each within its ranges and with a window where
// it has sinks, and the budget is possible.
Result<void> validate(const HeadPlan& plan, std::uint32_t layers, std::uint32_t kv_heads);

// What the name of a KV block of the prompt says of the plan (chain_hash.h): plans with equal text give equal bits. "full"
// where every head sees all.
std::string to_text(const HeadPlan& plan);
// What the names of leaves with decode rows say besides; "" where these follow the prompt's rule.
std::string decode_text(const HeadPlan& plan);

}  // namespace longshore
