#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/sha256.h"
#include "runtime/plan/head_plan.h"
#include "runtime/plan/step_batch.h"

namespace longshore::batching {

// Completes the names of the first `leaves` leaves of a sequence, each by its tokens, all before them, what its rows see,
// and the salt that keeps tenants apart. Requires: leaves * 128 <= tokens.size(); `names` are those of its first leaves, or
// none.
void name_leaves(const HeadPlan& heads, std::uint32_t prompt_tokens, std::string_view cache_salt,
                 std::span<const TokenId> tokens, std::uint32_t leaves, std::vector<Sha256>& names);

// How many leaves two sequences begin with in common, by their names.
std::uint32_t leaves_in_common(std::span<const Sha256> a, std::span<const Sha256> b);

// Which leaves of ended sequences one compute node and its attention nodes still hold, so that a sequence with the same
// first tokens begins behind them. Knows names and order of use, no memory.
//
// The leaves form a tree: each follows the one with its prefix. Each is carried by one ended sequence, which holds that
// leaf and all before it; the leaves that a sequence carries are a run of its path, ending with its last. Only ends of
// paths are evicted, the least recently used first, so what is held always is whole prefixes.
//
// Pure; one thread.
class PrefixCache {
 public:
  using Prefix = SequenceStart::Prefix;
  // The longest prefix of these leaves.
  std::optional<Prefix> match(std::span<const Sha256> names) const;
  // Likewise, and its path counts as used now.
  std::optional<Prefix> find(std::span<const Sha256> names);

  // A leaf on a pinned path is not evicted. Requires: the leaf is there; each unpin follows a pin.
  void pin(const Sha256& leaf);
  void unpin(const Sha256& leaf);

  // Sequences that may leave something behind at the same time: each is one entry of a batch when all are dropped.
  static constexpr std::size_t kCarriersMax = 1024;

  // A sequence has ended that holds these leaves (all its full ones), of which it took the first `adopted` from here, or
  // `begun_with` from one that ran then. With `ends_whole` it can be continued only where it ended: of heads with a window it
  // holds only what its last position sees. Whether it is to keep them: not if others carry them all.
  bool carry(SequenceId sequence, SequenceEpoch epoch, std::span<const Sha256> names, std::uint32_t adopted,
             const std::optional<Prefix>& begun_with, bool ends_whole);

  // Evicts one leaf: its carrier is to keep only `keep` leaves from now on; none means that it is over.
  // Nothing if every leaf lies on a pinned path.
  struct Eviction {
    SequenceId carrier;
    std::uint32_t keep = 0;
  };
  std::optional<Eviction> evict();

  // Forgets everything, pins as well. Returns the carriers.
  std::vector<SequenceId> clear();

  // Leaves of memory: those that are carried, and copies of them.
  std::uint64_t leaves() const { return leaves_.size() + copies_; }
  std::size_t carriers() const { return carriers_.size(); }

 private:
  struct Leaf {
    std::optional<Sha256> parent;
    SequenceId carrier;
    std::uint32_t index = 0;  // in the sequence
    std::uint32_t children = 0;
    std::uint32_t pins = 0;
    std::uint64_t used = 0;
    bool is_evictable() const { return children == 0 && pins == 0; }
  };
  struct Carrier {
    SequenceEpoch epoch;
    std::uint32_t first = 0;  // the leaves that it carries: [first, end)
    std::uint32_t end = 0;
    std::uint32_t copies = 0;  // leaves before `first` that are not the carriers' here: another came first
    bool is_whole = true;      // nothing of it was evicted
    bool ends_whole = false;   // see carry
  };

  // Changes a leaf and its place among the evictable ones.
  template <typename Change>
  void update(const Sha256& name, Change change);

  std::map<Sha256, Leaf> leaves_;
  std::map<SequenceId, Carrier> carriers_;
  std::set<std::pair<std::uint64_t, Sha256>> evictable_;  // by last use
  std::uint64_t copies_ = 0;
  std::uint64_t now_ = 0;
};

}  // namespace longshore::batching
