#include "cli/eval/progress.h"

#include <gtest/gtest.h>

namespace longshore::cli::eval {
namespace {

TEST(Progress, DurationsAreShort) {
  EXPECT_EQ(duration_text(0), "0 s");
  EXPECT_EQ(duration_text(59.4), "59 s");
  EXPECT_EQ(duration_text(59.6), "1 min 00 s");
  EXPECT_EQ(duration_text(3599), "59 min 59 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
}

TEST(Progress, TimeLeftFollowsWhatThisRunDid) {
  testing::internal::CaptureStderr();
  {
    ManualClock clock;
    Progress progress(clock, 2, 6);  // two were there
    clock.advance(std::chrono::seconds(20));
    progress.step("needle");
    clock.advance(std::chrono::seconds(5));
    progress.step("needle");  // too soon to say again
    clock.advance(std::chrono::seconds(35));
    progress.step("kv");
  }
  EXPECT_EQ(
      testing::internal::GetCapturedStderr(),
      "2 of 6 samples were finished before\n3 of 6 samples (needle), 1 min 00 s left\n5 of 6 samples (kv), 20 s left\n");
}

}  // namespace
}  // namespace longshore::cli::eval
