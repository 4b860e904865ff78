#include "scheduler/service/step_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/unit/scheduler/service/fake_compute_link.h"

namespace longshore::service {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What one client got. Thread-safe.
class Stream {
 public:
  GenerationCallback callback() {
    return [this](const GenerationEvent& event) {
      std::lock_guard lock(mutex_);
      if (event.token) tokens_.push_back(event.token->token);
      if (event.finish) finish_ = event.finish;
      if (event.error) error_ = event.error;
      changed_.notify_all();
    };
  }
  void wait_for_end() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::minutes(2), [&] { return finish_ || error_; }));
  }
  void wait_for_tokens(std::size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::minutes(2), [&] { return tokens_.size() >= count; }));
  }
  std::vector<TokenId> tokens() const { return locked(tokens_); }
  std::optional<FinishReason> finish() const { return locked(finish_); }
  std::optional<Error> error() const { return locked(error_); }

 private:
  template <typename T>
  T locked(const T& value) const {
    std::lock_guard lock(mutex_);
    return value;
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<TokenId> tokens_;
  std::optional<FinishReason> finish_;
  std::optional<Error> error_;
};

GenerationRequest request_of(std::uint32_t prompt_tokens, std::uint32_t max_tokens) {
  GenerationRequest request;
  request.prompt.assign(prompt_tokens, 7);
  request.max_tokens = max_tokens;
  return request;
}

class StepLoopTest : public testing::Test {
 protected:
  StepLoopTest() {
    options_.batcher.context_tokens = 4096;
    options_.batcher.vocabulary_tokens = 8192;
    options_.batcher.chunk_tokens = 64;
    options_.retry_interval = std::chrono::milliseconds(2);
    options_.compute_gone_max = std::chrono::milliseconds(60);
    options_.stop_max = std::chrono::milliseconds(50);
  }
  std::unique_ptr<StepLoop> make(std::vector<ComputeLink*> links) {
    auto loop = StepLoop::create(options_, std::move(links), metrics_, clock_);
    EXPECT_TRUE(loop.has_value());
    return std::move(*loop);
  }

  StepLoopOptions options_;
  Metrics metrics_;
  SystemClock clock_;
  FakeComputeLink link_, other_;
};

TEST_F(StepLoopTest, ServesARequest) {
  auto loop = make({&link_});
  Stream stream;
  ASSERT_TRUE(loop->start(request_of(100, 3), stream.callback()).has_value());
  stream.wait_for_end();
  EXPECT_THAT(stream.tokens(), ElementsAre(100, 101, 102));
  EXPECT_EQ(stream.finish(), FinishReason::kLength);
  EXPECT_TRUE(loop->drain(std::chrono::minutes(2)));
  EXPECT_EQ(link_.held(), 0u);
}

TEST_F(StepLoopTest, ServesManyClientsFromManyThreads) {
  auto loop = make({&link_});
  std::vector<Stream> streams(24);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < streams.size(); i += 4)
        ASSERT_TRUE(loop->start(request_of(20, 20), streams[i].callback()).has_value());
    });
  for (std::thread& thread : threads) thread.join();
  for (Stream& stream : streams) stream.wait_for_end();
  for (const Stream& stream : streams) EXPECT_EQ(stream.tokens().size(), 20u);
  EXPECT_TRUE(loop->drain(std::chrono::minutes(2)));
  EXPECT_EQ(link_.held(), 0u);
}

TEST_F(StepLoopTest, RefusesOptionsAndLinksThatCannotWork) {
  EXPECT_EQ(StepLoop::create(options_, {}, metrics_, clock_).error().code, ErrorCode::kInvalidArgument);
  options_.retry_interval = std::chrono::milliseconds(0);
  EXPECT_THAT(StepLoop::create(options_, {&link_}, metrics_, clock_).error().message, HasSubstr("retry_interval"));
  options_.batcher.chunk_tokens = 0;
  EXPECT_THAT(StepLoop::create(options_, {&link_}, metrics_, clock_).error().message, HasSubstr("chunk_tokens"));
}

TEST_F(StepLoopTest, PassesRefusalsOn) {
  auto loop = make({&link_});
  Stream stream;
  EXPECT_EQ(loop->start(request_of(0, 3), stream.callback()).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(StepLoopTest, LimitsTheContextToTheRoom) {
  link_.set_capacity(2);
  auto loop = make({&link_});
  EXPECT_EQ(loop->context_tokens_max(), 256u);
  Stream stream;
  EXPECT_EQ(loop->start(request_of(300, 3), stream.callback()).error().code, ErrorCode::kResourceExhausted);
  link_.set_capacity(1000);
  ASSERT_TRUE(loop->start(request_of(300, 3), stream.callback()).has_value());
  EXPECT_EQ(loop->context_tokens_max(), 4096u);
  stream.wait_for_end();
}

TEST_F(StepLoopTest, FreesASequenceThatIsCancelledWhileItsStepRuns) {
  auto loop = make({&link_});
  link_.hold_steps();
  Stream stream;
  const auto id = loop->start(request_of(20, 20), stream.callback());
  ASSERT_TRUE(id.has_value());
  link_.wait_for_a_step();
  EXPECT_EQ(loop->load().running, 1u);
  loop->cancel(*id);
  link_.let_go();
  EXPECT_TRUE(loop->drain(std::chrono::minutes(2)));
  EXPECT_EQ(link_.held(), 0u);
  EXPECT_TRUE(stream.tokens().empty());
  EXPECT_FALSE(stream.finish() || stream.error());
}

TEST_F(StepLoopTest, FinishesAfterAttentionNodesLostKv) {
  link_.lose_next_entries(3);
  auto loop = make({&link_});
  Stream stream;
  ASSERT_TRUE(loop->start(request_of(20, 4), stream.callback()).has_value());
  stream.wait_for_end();
  EXPECT_THAT(stream.tokens(), ElementsAre(100, 101, 102, 103));
  EXPECT_THAT(metrics_.text(), HasSubstr("longshore_recomputed_sequences_total 3"));
}

TEST_F(StepLoopTest, GoesOnWhenTheComputeNodeComesBack) {
  options_.compute_gone_max = std::chrono::minutes(2);
  auto loop = make({&link_});
  link_.hold_steps_after(5);
  Stream stream;
  ASSERT_TRUE(loop->start(request_of(20, 2000), stream.callback()).has_value());
  stream.wait_for_tokens(5);
  link_.wait_for_a_step();
  link_.go_away();
  while (loop->compute_nodes_alive() > 0) std::this_thread::yield();
  link_.let_go();
  link_.come_back();
  stream.wait_for_end();
  ASSERT_EQ(stream.tokens().size(), 2000u);
  for (std::size_t i = 0; i < 2000; ++i) ASSERT_EQ(stream.tokens()[i], static_cast<TokenId>(100 + i));
  EXPECT_EQ(loop->compute_nodes_alive(), 1u);
}

TEST_F(StepLoopTest, EndsSequencesOfAComputeNodeThatStaysAway) {
  auto loop = make({&link_});
  link_.hold_steps();
  Stream stream, late;
  ASSERT_TRUE(loop->start(request_of(20, 20), stream.callback()).has_value());
  link_.wait_for_a_step();
  link_.go_away();
  stream.wait_for_end();
  ASSERT_TRUE(stream.error().has_value());
  EXPECT_EQ(stream.error()->code, ErrorCode::kUnavailable);
  EXPECT_THAT(stream.error()->message, HasSubstr("the fake is gone"));
  link_.set_capacity(0);
  EXPECT_EQ(loop->start(request_of(20, 20), late.callback()).error().code, ErrorCode::kUnavailable);
}

TEST_F(StepLoopTest, MovesSequencesToAnotherReplica) {
  auto loop = make({&link_, &other_});
  link_.hold_steps();
  Stream first, second;
  ASSERT_TRUE(loop->start(request_of(20, 20), first.callback()).has_value());
  link_.wait_for_a_step();
  ASSERT_TRUE(loop->start(request_of(20, 20), second.callback()).has_value());
  second.wait_for_end();  // at the other
  EXPECT_TRUE(first.tokens().empty());
  link_.go_away();
  first.wait_for_end();
  EXPECT_EQ(first.tokens().size(), 20u);
  EXPECT_EQ(loop->compute_nodes_alive(), 1u);
  EXPECT_TRUE(loop->drain(std::chrono::minutes(2)));
  EXPECT_EQ(other_.held(), 0u);
}

TEST_F(StepLoopTest, SendsASequenceWhereItsPrefixIsUnlessTooMuchWaitsThere) {
  auto loop = make({&link_, &other_});
  const auto run = [&](GenerationRequest request) {
    Stream stream;
    ASSERT_TRUE(loop->start(std::move(request), stream.callback()).has_value());
    stream.wait_for_end();
  };
  link_.hold_steps();
  Stream holding;
  ASSERT_TRUE(loop->start(request_of(20, 2), holding.callback()).has_value());
  link_.wait_for_a_step();
  run(request_of(700, 1));  // at the other, which keeps its leaves
  link_.let_go();
  holding.wait_for_end();

  // Both idle: the first would be taken if nothing spoke for the other.
  run(request_of(800, 1));
  EXPECT_EQ(link_.starts(), 1u);
  EXPECT_EQ(other_.starts(), 2u);
  GenerationRequest salted = request_of(800, 1);
  salted.cache_salt = "another tenant";
  run(std::move(salted));
  EXPECT_EQ(link_.starts(), 2u);

  // 640 rows of each are spared there; three sequences in the way cost as much as that.
  other_.hold_steps();
  std::vector<Stream> streams(3);
  for (Stream& stream : streams) ASSERT_TRUE(loop->start(request_of(750, 1), stream.callback()).has_value());
  run(request_of(750, 1));
  EXPECT_EQ(link_.starts(), 3u);
  other_.let_go();
  for (Stream& stream : streams) stream.wait_for_end();
  EXPECT_EQ(other_.starts(), 5u);
}

TEST_F(StepLoopTest, GivesANewNodeInAnOldPlaceSequencesAgain) {
  auto loop = make({&link_, &other_});
  Stream first, second;
  link_.go_away();
  ASSERT_TRUE(loop->start(request_of(20, 2), first.callback()).has_value());  // finds that out, and moves
  first.wait_for_end();
  link_.come_back();
  loop->on_node(0);
  ASSERT_TRUE(loop->start(request_of(20, 2), second.callback()).has_value());
  second.wait_for_end();
  EXPECT_GT(link_.steps(), 0u);
  EXPECT_EQ(loop->compute_nodes_alive(), 2u);
}

TEST_F(StepLoopTest, TakesANodeForGoneThatDoesNotAnswer) {
  options_.step_max = std::chrono::milliseconds(5);
  auto loop = make({&link_});
  link_.hold_steps();
  Stream stream;
  ASSERT_TRUE(loop->start(request_of(20, 20), stream.callback()).has_value());
  stream.wait_for_end();
  EXPECT_TRUE(stream.error().has_value());
}

TEST_F(StepLoopTest, TellsThoseThatDrainingCannotWaitFor) {
  auto loop = make({&link_});
  link_.hold_steps();
  Stream stream, late;
  ASSERT_TRUE(loop->start(request_of(20, 20), stream.callback()).has_value());
  link_.wait_for_a_step();
  EXPECT_FALSE(loop->drain(std::chrono::milliseconds(5)));
  EXPECT_EQ(stream.error()->code, ErrorCode::kUnavailable);
  EXPECT_EQ(loop->start(request_of(20, 20), late.callback()).error().code, ErrorCode::kUnavailable);
  link_.let_go();
}

TEST_F(StepLoopTest, StopsWhileAStepRuns) {
  auto loop = make({&link_});
  link_.hold_steps();
  Stream stream;
  ASSERT_TRUE(loop->start(request_of(20, 20), stream.callback()).has_value());
  link_.wait_for_a_step();
  loop->stop();
  loop->stop();
  EXPECT_EQ(stream.error()->code, ErrorCode::kCancelled);
}

TEST_F(StepLoopTest, ParksWhenIdle) {
  auto loop = make({&link_});
  Stream stream;
  ASSERT_TRUE(loop->start(request_of(20, 1), stream.callback()).has_value());
  stream.wait_for_end();
  EXPECT_TRUE(loop->drain(std::chrono::minutes(2)));
  EXPECT_EQ(link_.steps(), 2u);  // the prompt, and the release
}

TEST_F(StepLoopTest, CountsWhatItDoes) {
  auto loop = make({&link_});
  Stream stream;
  ASSERT_TRUE(loop->start(request_of(100, 3), stream.callback()).has_value());
  stream.wait_for_end();
  EXPECT_TRUE(loop->drain(std::chrono::minutes(2)));
  const std::string text = metrics_.text();
  for (const char* line :
       {"longshore_prompt_tokens_total 100", "longshore_generation_tokens_total 3", "longshore_steps_total 5",
        "longshore_request_success_total{finished_reason=\"length\"} 1", "longshore_requests_running 0",
        "longshore_time_to_first_token_seconds_count 1", "longshore_inter_token_latency_seconds_count 2",
        "longshore_e2e_request_latency_seconds_count 1", "longshore_request_queue_time_seconds_count 1",
        "longshore_step_phase_seconds_count{phase=\"attention\"} 5", "longshore_kv_usage_ratio 0"})
    EXPECT_THAT(text, HasSubstr(line));
}

}  // namespace
}  // namespace longshore::service
