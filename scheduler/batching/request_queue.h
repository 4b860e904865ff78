#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>

#include "runtime/base/ids.h"

namespace longshore::batching {

// Sequences that wait to be admitted, oldest (lowest id) first; paused ones return to the place of their age. Bounded
// for new ones; one that was accepted before always finds its place again. Thread: one.
class RequestQueue {
 public:
  explicit RequestQueue(std::uint32_t sequences_max) : sequences_max_(sequences_max) {}

  bool is_full() const { return waiting_.size() >= sequences_max_; }
  void insert(SequenceId id) { waiting_.insert(id); }
  void erase(SequenceId id) { waiting_.erase(id); }
  std::optional<SequenceId> oldest() const {
    return waiting_.empty() ? std::nullopt : std::optional(*waiting_.begin());
  }
  std::size_t size() const { return waiting_.size(); }
  std::uint32_t sequences_max() const { return sequences_max_; }

 private:
  std::uint32_t sequences_max_;
  std::set<SequenceId> waiting_;
};

}  // namespace longshore::batching
