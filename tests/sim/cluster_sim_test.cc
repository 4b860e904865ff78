#include <gtest/gtest.h>

#include "tests/sim/cluster_world.h"

namespace longshore::sim {
namespace {

constexpr std::uint64_t kSeeds = 400;

TEST(ClusterSimTest, FindsTogetherAgainAfterAnyFaults) {
  std::uint64_t losses = 0, switches = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    ClusterWorld world(seed);
    const auto found = world.run();
    if (!found.empty()) {
      std::string text;
      for (const std::string& line : found) text += line + "\n";
      FAIL() << text << "replay with: sim_main --world cluster --seed " << seed;
    }
    losses += world.losses();
    switches += world.switches();
  }
  // The faults must have done what they are for.
  EXPECT_GT(losses, 500u);
  EXPECT_GT(switches, 500u);
}

}  // namespace
}  // namespace longshore::sim
