#pragma once

#include <optional>
#include <set>

#include "runtime/base/ids.h"

namespace longshore::batching {

// Whom to pause when KV room ends: the youngest, because then the oldest is never paused, ends at some time, and the
// next one is the oldest. It has also lost the least work on average. Nothing, if none is admitted.
std::optional<SequenceId> to_pause(const std::set<SequenceId>& admitted);

}  // namespace longshore::batching
