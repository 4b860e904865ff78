#include <gtest/gtest.h>

#include "tests/sim/batcher_world.h"

namespace longshore::sim {
namespace {

constexpr std::uint64_t kSeeds = 1000;

TEST(BatcherSimTest, KeepsAllInvariantsUnderRandomSchedules) {
  std::uint64_t steps = 0, cancels = 0, node_losses = 0, pauses = 0, recomputes = 0, hits = 0, shared = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    BatcherWorld world(seed);
    const auto found = world.run();
    if (!found.empty()) {
      std::string text;
      for (const std::string& line : found) text += line + "\n";
      FAIL() << text << "replay with: sim_main --seed " << seed;
    }
    steps += world.steps();
    cancels += world.cancels();
    node_losses += world.node_losses();
    pauses += world.batcher().counts().pauses;
    recomputes += world.batcher().counts().recomputes;
    hits += world.batcher().counts().prefix_hits;
    shared += world.shared_while_running();
  }
  // The schedules must have done what they are for.
  EXPECT_GT(steps, 50'000u);
  EXPECT_GT(cancels, 100u);
  EXPECT_GT(node_losses, 100u);
  EXPECT_GT(pauses, 100u);
  EXPECT_GT(recomputes, 500u);
  EXPECT_GT(hits, 10'000u);
  EXPECT_GT(shared, 50u);
  RecordProperty("steps", std::to_string(steps));
}

TEST(BatcherSimTest, ReplaysASeedExactly) {
  BatcherWorld first(42), second(42);
  EXPECT_TRUE(first.run().empty());
  EXPECT_TRUE(second.run().empty());
  EXPECT_EQ(first.steps(), second.steps());
  EXPECT_EQ(first.batcher().counts().tokens_discarded, second.batcher().counts().tokens_discarded);
}

}  // namespace
}  // namespace longshore::sim
