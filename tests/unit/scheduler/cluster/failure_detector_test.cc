#include "scheduler/cluster/failure_detector.h"

#include <gtest/gtest.h>

namespace longshore::cluster {
namespace {

constexpr NodeId kA{1};
constexpr TimePoint at(int milliseconds) { return TimePoint{} + std::chrono::milliseconds(milliseconds); }

// Ticks every 100 ms up to a time; returns what changed.
std::vector<FailureDetector::Change> tick_until(FailureDetector& detector, int from, int until) {
  std::vector<FailureDetector::Change> all;
  for (int now = from; now <= until; now += 100)
    for (const auto& change : detector.tick(at(now))) all.push_back(change);
  return all;
}

TEST(FailureDetectorTest, TrustsANodeThatIsHeard) {
  FailureDetector detector({});
  detector.add(kA, at(0));
  for (int now = 0; now < 60'000; now += 1000) {
    EXPECT_TRUE(detector.on_heartbeat(kA, at(now)));
    EXPECT_TRUE(tick_until(detector, now, now + 900).empty());
  }
}

TEST(FailureDetectorTest, SuspectsThenBuriesASilentNode) {
  FailureDetector detector({});
  detector.add(kA, at(0));
  const auto changes = tick_until(detector, 0, 6000);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].health, Health::kSuspect);
  EXPECT_EQ(changes[1].health, Health::kDead);
  EXPECT_EQ(detector.health(kA), Health::kDead);
}

TEST(FailureDetectorTest, BuriesAtTheEndOfTheLeaseAndNotBefore) {
  FailureDetector detector({});
  detector.add(kA, at(0));
  tick_until(detector, 0, 4900);
  EXPECT_EQ(detector.health(kA), Health::kSuspect);
  detector.tick(at(5000));
  EXPECT_EQ(detector.health(kA), Health::kDead);
}

TEST(FailureDetectorTest, TrustsASuspectAgainThatIsHeard) {
  FailureDetector detector({});
  detector.add(kA, at(0));
  tick_until(detector, 0, 3000);
  detector.on_heartbeat(kA, at(3050));
  const auto changes = detector.tick(at(3100));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].health, Health::kAlive);
}

TEST(FailureDetectorTest, IgnoresTheHeartbeatOfADeadNode) {
  FailureDetector detector({});
  detector.add(kA, at(0));
  tick_until(detector, 0, 5000);
  EXPECT_FALSE(detector.on_heartbeat(kA, at(5050)));
  EXPECT_EQ(detector.health(kA), Health::kDead);
}

TEST(FailureDetectorTest, DoesNotHoldItsOwnPauseAgainstTheNodes) {
  FailureDetector detector({});
  detector.add(kA, at(0));
  tick_until(detector, 0, 1000);
  EXPECT_TRUE(detector.tick(at(60'000)).empty());  // stopped for 59 s
  EXPECT_EQ(detector.health(kA), Health::kAlive);
  tick_until(detector, 60'100, 64'100);  // 1 s of silence before, 4 s after
  EXPECT_EQ(detector.health(kA), Health::kDead);
}

}  // namespace
}  // namespace longshore::cluster
