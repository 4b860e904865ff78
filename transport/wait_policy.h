#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

namespace longshore::transport {

// A waiter looks again and again that long before anything else: beyond a shared-memory round trip, far below a
// scheduler's time slice.
inline constexpr std::chrono::microseconds kSpinMax{20};
// Then it yields between looks for as long as a layer may take elsewhere, as parking costs a wake of 30 us and more: two
// waiters that wake each other so late would both park for every message.
inline constexpr std::chrono::milliseconds kYieldMax{1};
// Unless somebody else wants its core: a yield that took this long, with a switch to another thread, gave it away...
inline constexpr std::chrono::microseconds kYieldGaveAway{50};
// ...and for so long the waiter parks at once, which gets it a core again sooner than yielding does.
inline constexpr std::chrono::seconds kCrowdedFor{5};

// How often this thread has lost its core although it could run. A core that its hypervisor took is not among these.
long involuntary_switches();

// What one waiting thread does between two looks at what it waits for. Time is given; one object per thread, kept from
// wait to wait.
class WaitPolicy {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Step { kSpin, kYield, kPark };

  // `switches` counts as involuntary_switches() does, and is asked after long yields only.
  explicit WaitPolicy(std::function<long()> switches = involuntary_switches) : switches_(std::move(switches)) {}

  void begin(Time now);
  // `now` is the time of the look that found nothing.
  Step next(Time now);

 private:
  bool gave_core_away(Time now);

  std::function<long()> switches_;
  std::optional<long> switches_seen_;
  Time begin_;
  std::optional<Time> yielded_;
  Time crowded_until_ = Time::min();
};

}  // namespace longshore::transport
