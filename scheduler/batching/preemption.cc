#include "scheduler/batching/preemption.h"

namespace longshore::batching {

std::optional<SequenceId> to_pause(const std::set<SequenceId>& admitted) {
  if (admitted.empty()) return std::nullopt;
  return *admitted.rbegin();
}

}  // namespace longshore::batching
