#include "scheduler/service/step_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace longshore::service {
namespace {

using testing::HasSubstr;

TEST(StepMetricsTest, ShowsEveryFinishReasonFromTheStart) {
  Metrics metrics;
  StepMetrics steps(metrics);
  for (const char* reason : {"stop", "length", "abort", "error"})
    EXPECT_THAT(metrics.text(), HasSubstr(std::string("longshore_request_success_total{finished_reason=\"") + reason + "\"} 0"));
}

TEST(StepMetricsTest, CountsErrorsByCode) {
  Metrics metrics;
  StepMetrics steps(metrics);
  steps.on_error({ErrorCode::kDataLoss, "lost"});
  EXPECT_THAT(metrics.text(), HasSubstr("longshore_request_errors_total{code=\"data_loss\"} 1"));
}

TEST(StepMetricsTest, CountsAPromptOnceThoughItIsRunTwice) {
  Metrics metrics;
  StepMetrics steps(metrics);
  SequenceTimes times;
  steps.on_scheduled(times, TimePoint{} + std::chrono::seconds(1), 10);
  steps.on_scheduled(times, TimePoint{} + std::chrono::seconds(9), 10);
  EXPECT_THAT(metrics.text(), HasSubstr("longshore_prompt_tokens_total 10"));
  EXPECT_THAT(metrics.text(), HasSubstr("longshore_request_queue_time_seconds_sum 1\n"));
}

TEST(StepMetricsTest, ShowsTheShareOfRoomInUse) {
  Metrics metrics;
  StepMetrics steps(metrics);
  batching::BatcherLoad load;
  load.running = 2;
  load.waiting = 3;
  load.leaves_capacity = 8;
  steps.on_load(load, 2);
  EXPECT_THAT(metrics.text(), HasSubstr("longshore_kv_usage_ratio 0.25"));
  EXPECT_THAT(metrics.text(), HasSubstr("longshore_requests_waiting 3"));
}

}  // namespace
}  // namespace longshore::service
