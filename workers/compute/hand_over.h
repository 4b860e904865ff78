#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "runtime/base/ids.h"

namespace longshore::compute {

// How far the leaves of one sequence have gone to their holders. Pure; one thread.
//
//   leaf:  open -> sealed (offered to its holders) -> acknowledged by all of them -> released here
//
// Leaf 0 never leaves. Invariant: 1 <= released_end <= acknowledged_end <= offered_end. A leaf below released_end has
// no copy here; one in [released_end, acknowledged_end) has two; so there is no moment at which it has none.
class HandOver {
 public:
  HandOver() = default;
  // Of a sequence that begins with the first `leaves` leaves of another, whose holders have them for it, too. What they
  // had not acknowledged is offered again.
  HandOver(const HandOver& carrier, std::uint32_t leaves);

  std::uint32_t offered_end() const { return offered_end_; }
  std::uint32_t acknowledged_end() const { return acknowledged_end_; }
  std::uint32_t released_end() const { return released_end_; }

  // Leaf offered_end() was offered to these nodes. With none (nothing of it is for anyone) it counts as acknowledged.
  void on_offered(const std::vector<NodeId>& nodes);
  // A node holds, verified and visible, all that it was offered of the leaf. Unknown leaves and nodes are ignored: a
  // late acknowledgement changes nothing.
  void on_acknowledged(std::uint32_t leaf, NodeId node);
  // The sequence ends with the first `leaves` leaves, at least 1.
  void truncate(std::uint32_t leaves);
  // Local copies of leaves below `end` are gone. Requires: end <= acknowledged_end().
  void on_released(std::uint32_t end);

 private:
  void advance();

  std::uint32_t offered_end_ = 1;
  std::uint32_t acknowledged_end_ = 1;
  std::uint32_t released_end_ = 1;
  std::map<std::uint32_t, std::set<NodeId>> awaited_;  // leaf -> nodes that have not acknowledged it
};

}  // namespace longshore::compute
