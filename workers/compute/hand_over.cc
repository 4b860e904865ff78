#include "workers/compute/hand_over.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace longshore::compute {

HandOver::HandOver(const HandOver& carrier, std::uint32_t leaves)
    : offered_end_(std::min(carrier.acknowledged_end_, leaves)),
      acknowledged_end_(offered_end_),
      released_end_(std::min(carrier.released_end_, leaves)) {}

void HandOver::truncate(std::uint32_t leaves) {
  offered_end_ = std::min(offered_end_, leaves);
  acknowledged_end_ = std::min(acknowledged_end_, leaves);
  released_end_ = std::min(released_end_, leaves);
  awaited_.erase(awaited_.lower_bound(leaves), awaited_.end());
}

void HandOver::on_offered(const std::vector<NodeId>& nodes) {
  awaited_[offered_end_] = {nodes.begin(), nodes.end()};
  ++offered_end_;
  advance();
}

void HandOver::on_acknowledged(std::uint32_t leaf, NodeId node) {
  const auto found = awaited_.find(leaf);
  if (found == awaited_.end()) return;
  found->second.erase(node);
  advance();
}

void HandOver::on_released(std::uint32_t end) {
  CHECK(end <= acknowledged_end_) << "leaf " << end << " is not acknowledged";
  if (end > released_end_) released_end_ = end;
}

void HandOver::advance() {
  // In order, so that one number says which leaves the holders answer for.
  for (auto first = awaited_.begin(); first != awaited_.end() && first->second.empty(); first = awaited_.erase(first)) {
    if (first->first != acknowledged_end_) return;
    ++acknowledged_end_;
  }
}

}  // namespace longshore::compute
