#include "runtime/model/stage_clock.h"

#include <gtest/gtest.h>

#include <set>

namespace longshore::model {
namespace {

using namespace std::chrono_literals;

TEST(StageClockTest, GivesEachStageWhatPassedSinceTheLastLap) {
  ManualClock clock;
  StageClock stages(clock);
  clock.advance(7s);  // before the step
  stages.start();
  clock.advance(1s);
  stages.lap(Stage::kNorm);
  clock.advance(2s);
  stages.lap(Stage::kProject);
  clock.advance(4s);
  stages.lap(Stage::kNorm);
  EXPECT_EQ(stages.seconds()[Stage::kNorm], 5);
  EXPECT_EQ(stages.seconds()[Stage::kProject], 2);
  EXPECT_EQ(stages.seconds().sum(), 7);
  StageSeconds twice = stages.seconds();
  twice.add(stages.seconds());
  EXPECT_EQ(twice[Stage::kNorm], 10);
  stages.start();
  EXPECT_EQ(stages.seconds().sum(), 0);
}

TEST(StageClockTest, NamesEveryStage) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kStages; ++i) names.insert(to_string(static_cast<Stage>(i)));
  EXPECT_EQ(names.size(), kStages);
  EXPECT_FALSE(names.contains("?"));
}

}  // namespace
}  // namespace longshore::model
