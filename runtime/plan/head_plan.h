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

// The rules of all heads of one sequence, in every row, prompt and output alike: by layer and KV head, or one for all, or
// none, where every head sees all. A layer in which the model itself has a window keeps the model's.
struct HeadPlan {
  std::vector<HeadRule> rules;  // [], [1] or [L * Hkv]

  // Whether every head sees all; whether none does.
  bool sees_all() const;
  bool is_narrow() const;
  HeadRule rule(std::uint32_t layer, std::uint32_t kv_head, std::uint32_t kv_heads) const {
    if (rules.size() <= 1) return rules.empty() ? HeadRule{} : rules.front();
    return rules[std::size_t{layer} * kv_heads + kv_head];
  }
  bool operator==(const HeadPlan&) const = default;
};

// Errors: kInvalidArgument unless there are 0, 1 or layers * kv_heads rules, each within its ranges and with a window where
// it has sinks.
Result<void> validate(const HeadPlan& plan, std::uint32_t layers, std::uint32_t kv_heads);

// What the name of a KV block says of the plan (chain_hash.h): plans with equal text give equal bits. "full" where every
// head sees all.
std::string to_text(const HeadPlan& plan);

}  // namespace longshore
