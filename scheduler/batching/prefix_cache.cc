#include "scheduler/batching/prefix_cache.h"

#include <algorithm>

#include "runtime/base/check.h"
#include "runtime/blocks/chain_hash.h"
#include "runtime/plan/leaf.h"

namespace longshore::batching {

void name_leaves(const HeadPlan& heads, std::uint32_t prompt_tokens, std::string_view cache_salt,
                 std::span<const TokenId> tokens, std::uint32_t leaves, std::vector<Sha256>& names) {
  blocks::ChainRoot root;  // of one model on one node: only these differ
  const std::string preset = to_text(heads);
  root.preset = preset;
  root.cache_salt = cache_salt;
  blocks::name_leaves(root, blocks::chain_fork(decode_text(heads), prompt_tokens), tokens, leaves, names);
}

std::uint32_t leaves_in_common(std::span<const Sha256> a, std::span<const Sha256> b) {
  // A name stands for all before it, too.
  std::size_t equal = 0, end = std::min(a.size(), b.size()) + 1;
  while (end - equal > 1) {
    const std::size_t middle = (equal + end) / 2;
    (a[middle - 1] == b[middle - 1] ? equal : end) = middle;
  }
  return static_cast<std::uint32_t>(equal);
}

template <typename Change>
void PrefixCache::update(const Sha256& name, Change change) {
  const auto found = leaves_.find(name);
  CHECK(found != leaves_.end()) << "leaf " << to_hex(name) << " is not held";
  Leaf& leaf = found->second;
  if (leaf.is_evictable()) evictable_.erase({leaf.used, name});
  change(leaf);
  if (leaf.is_evictable()) evictable_.insert({leaf.used, name});
}

std::optional<PrefixCache::Prefix> PrefixCache::match(std::span<const Sha256> names) const {
  std::optional<Prefix> longest;
  for (std::uint32_t i = 0; i < names.size(); ++i) {
    const auto leaf = leaves_.find(names[i]);
    if (leaf == leaves_.end()) break;
    const Carrier& carrier = carriers_.at(leaf->second.carrier);
    if (!carrier.ends_whole || (carrier.is_whole && carrier.end == i + 1))
      longest = Prefix{leaf->second.carrier, carrier.epoch, i + 1};
  }
  return longest;
}

std::optional<PrefixCache::Prefix> PrefixCache::find(std::span<const Sha256> names) {
  const std::optional<Prefix> longest = match(names);
  if (longest) {
    ++now_;
    for (std::uint32_t i = 0; i < longest->leaves; ++i) update(names[i], [this](Leaf& leaf) { leaf.used = now_; });
  }
  return longest;
}

void PrefixCache::pin(const Sha256& name) {
  update(name, [](Leaf& leaf) { ++leaf.pins; });
}

void PrefixCache::unpin(const Sha256& name) {
  update(name, [](Leaf& leaf) {
    CHECK(leaf.pins > 0) << "a leaf is unpinned once more than it was pinned";
    --leaf.pins;
  });
}

bool PrefixCache::carry(SequenceId sequence, SequenceEpoch epoch, std::span<const Sha256> names,
                        std::uint32_t adopted, const std::optional<Prefix>& begun_with, bool ends_whole) {
  std::uint32_t first = 0;
  while (first < names.size() && leaves_.contains(names[first])) ++first;
  const auto end = static_cast<std::uint32_t>(names.size());
  if (first == end) return false;
  CHECK(adopted <= first) << adopted << " leaves were adopted, and " << first << " are here";
  std::uint32_t copies = 0;
  for (std::uint32_t i = adopted; i < first; ++i) {
    const SequenceId carrier = leaves_.at(names[i]).carrier;
    const bool is_shared = begun_with && i < begun_with->leaves && carrier == begun_with->carrier &&
                           carriers_.at(carrier).epoch == begun_with->epoch;
    if (!is_shared) ++copies;
  }
  CHECK(carriers_.emplace(sequence, Carrier{epoch, first, end, copies, true, ends_whole}).second)
      << "sequence " << sequence.value << " has ended before";
  copies_ += copies;
  ++now_;
  for (std::uint32_t i = first; i < end; ++i) {
    Leaf leaf{std::nullopt, sequence, i, 0, 0, now_};
    if (i > 0) {
      leaf.parent = names[i - 1];
      update(names[i - 1], [](Leaf& parent) { ++parent.children; });
    }
    leaves_.emplace(names[i], leaf);
    evictable_.insert({now_, names[i]});
  }
  return true;
}

std::optional<PrefixCache::Eviction> PrefixCache::evict() {
  if (evictable_.empty()) return std::nullopt;
  const Sha256 name = evictable_.begin()->second;
  evictable_.erase(evictable_.begin());
  const Leaf leaf = leaves_.at(name);
  leaves_.erase(name);
  if (leaf.parent) update(*leaf.parent, [](Leaf& parent) { --parent.children; });
  const auto carrier = carriers_.find(leaf.carrier);
  carrier->second.end = leaf.index;
  carrier->second.is_whole = false;
  if (leaf.index > carrier->second.first) return Eviction{leaf.carrier, leaf.index};
  copies_ -= carrier->second.copies;
  carriers_.erase(carrier);
  return Eviction{leaf.carrier, 0};
}

std::vector<SequenceId> PrefixCache::clear() {
  std::vector<SequenceId> carriers;
  for (const auto& [sequence, carrier] : carriers_) carriers.push_back(sequence);
  leaves_.clear();
  carriers_.clear();
  evictable_.clear();
  copies_ = 0;
  return carriers;
}

}  // namespace longshore::batching
