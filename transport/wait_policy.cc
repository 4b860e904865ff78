#include "transport/wait_policy.h"

#include <sys/resource.h>
#include <utility>

namespace longshore::transport {

long involuntary_switches() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

void WaitPolicy::begin(Time now) {
  begin_ = now;
  yielded_.reset();
}

WaitPolicy::Step WaitPolicy::next(Time now) {
  if (now - begin_ < kSpinMax) return Step::kSpin;
  if (gave_core_away(now)) crowded_until_ = now + kCrowdedFor;
  if (now < crowded_until_ || now - begin_ >= kYieldMax) return Step::kPark;
  yielded_ = now;
  return Step::kYield;
}

bool WaitPolicy::gave_core_away(Time now) {
  const std::optional<Time> yielded = std::exchange(yielded_, std::nullopt);
  if (!yielded || now - *yielded < kYieldGaveAway) return false;
  const long switches = switches_();
  const std::optional<long> before = std::exchange(switches_seen_, switches);
  return before && *before != switches;
}

}  // namespace longshore::transport
