#include "scheduler/batching/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/scheduler/batching/batcher_steps.h"

namespace longshore::batching {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr SequenceId kA{1}, kB{2}, kC{3};

TEST(BatcherTest, RunsAPromptInChunksAndSamplesFromItsLastRow) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(150, 3)).has_value());
  const StepBatch first = steps.step();
  ASSERT_THAT(first.starts, SizeIs(1));
  EXPECT_EQ(first.starts[0].prompt_tokens, 150u);
  EXPECT_EQ(first.starts[0].tokens_expected, 153u);
  EXPECT_THAT(first.entries[0].tokens, SizeIs(64));
  EXPECT_FALSE(first.entries[0].sample);
  const StepBatch second = steps.step();
  EXPECT_THAT(second.starts, IsEmpty());
  EXPECT_EQ(second.entries[0].position, 64u);
  const StepBatch third = steps.step();
  EXPECT_THAT(third.entries[0].tokens, SizeIs(22));
  EXPECT_TRUE(third.entries[0].sample);
  const StepBatch fourth = steps.step();
  EXPECT_EQ(fourth.entries[0].position, 150u);
  EXPECT_THAT(fourth.entries[0].tokens, ElementsAre(100));
  EXPECT_EQ(fourth.entries[0].draw, 1u);
  steps.run_to_idle();
  EXPECT_THAT(steps.tokens_of(kA), ElementsAre(100, 101, 102));
  EXPECT_EQ(steps.finish_of(kA), FinishReason::kLength);
}

TEST(BatcherTest, ReleasesWhatHasFinishedInTheNextBatch) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 1)).has_value());
  steps.step();
  EXPECT_FALSE(steps.batcher.is_idle());
  const StepBatch last = steps.step();
  EXPECT_THAT(last.releases, ElementsAre(kA));
  EXPECT_THAT(last.entries, IsEmpty());
  EXPECT_TRUE(steps.batcher.is_idle());
  EXPECT_EQ(steps.batcher.load().leaves_reserved, 0u);
}

TEST(BatcherTest, StopsAtAnEndToken) {
  Steps steps(small_options());
  auto request = request_of(5, 10);
  request.sampling.end_tokens = {102};
  ASSERT_TRUE(steps.batcher.add(kA, std::move(request)).has_value());
  steps.run_to_idle();
  EXPECT_THAT(steps.tokens_of(kA), ElementsAre(100, 101, 102));
  EXPECT_EQ(steps.finish_of(kA), FinishReason::kStop);
}

TEST(BatcherTest, GoesOnPastAnEndTokenThatIsToBeIgnored) {
  Steps steps(small_options());
  auto request = request_of(5, 4);
  request.sampling.end_tokens = {100};
  request.sampling.ignore_eos = true;
  ASSERT_TRUE(steps.batcher.add(kA, std::move(request)).has_value());
  steps.run_to_idle();
  EXPECT_THAT(steps.tokens_of(kA), SizeIs(4));
  EXPECT_EQ(steps.finish_of(kA), FinishReason::kLength);
}

TEST(BatcherTest, GoesOnPastAnEndTokenBeforeMinTokens) {
  Steps steps(small_options());
  auto request = request_of(5, 10);
  request.sampling.end_tokens = {100, 103};
  request.sampling.min_tokens = 2;
  ASSERT_TRUE(steps.batcher.add(kA, std::move(request)).has_value());
  steps.run_to_idle();
  EXPECT_THAT(steps.tokens_of(kA), ElementsAre(100, 101, 102, 103));
}

TEST(BatcherTest, ScoresThePromptAcrossChunks) {
  Steps steps(small_options());
  auto request = request_of(150, 0);
  request.score_prompt = true;
  ASSERT_TRUE(steps.batcher.add(kA, std::move(request)).has_value());
  steps.run_to_idle();
  ASSERT_TRUE(steps.finish_of(kA).has_value());
  const auto& scores = steps.events.back().prompt_scores;
  ASSERT_THAT(scores, SizeIs(149));
  for (std::size_t i = 0; i < scores.size(); ++i) {
    EXPECT_EQ(scores[i].token, static_cast<TokenId>((i + 1) % 100));
    EXPECT_EQ(scores[i].logprob, -static_cast<float>(i + 1));
  }
}

TEST(BatcherTest, ScoresNothingOfAPromptOfOneToken) {
  Steps steps(small_options());
  auto request = request_of(1, 0);
  request.score_prompt = true;
  ASSERT_TRUE(steps.batcher.add(kA, std::move(request)).has_value());
  const StepBatch batch = steps.step();
  EXPECT_FALSE(batch.entries[0].score);
  EXPECT_FALSE(batch.entries[0].sample);
  EXPECT_EQ(steps.finish_of(kA), FinishReason::kLength);
}

TEST(BatcherTest, TellsPrefillProgress) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(100, 1)).has_value());
  steps.run_to_idle();
  ASSERT_THAT(steps.events, SizeIs(2));
  EXPECT_EQ(steps.events[0].prompt_tokens_done, 64u);
  EXPECT_EQ(steps.events[1].prompt_tokens_done, 100u);
}

TEST(BatcherTest, DecodesInEveryStepOfALongPrefill) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 100)).has_value());
  steps.step();
  ASSERT_TRUE(steps.batcher.add(kB, request_of(1000, 1)).has_value());
  for (int i = 0; i < 15; ++i) {
    const StepBatch batch = steps.step();
    ASSERT_NE(entry_of(batch, kA), nullptr);
    EXPECT_EQ(entry_of(batch, kB)->tokens.size(), 63u);
  }
}

TEST(BatcherTest, LetsAShortPromptPassALongOne) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(2000, 1)).has_value());
  ASSERT_TRUE(steps.batcher.add(kB, request_of(20, 1)).has_value());
  steps.step();
  EXPECT_TRUE(steps.finish_of(kB).has_value());
}

TEST(BatcherTest, RefusesBeyondTheQueue) {
  auto options = small_options();
  options.queue_sequences_max = 2;
  Steps steps(options);
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  ASSERT_TRUE(steps.batcher.add(kB, request_of(5, 5)).has_value());
  EXPECT_EQ(steps.batcher.add(kC, request_of(5, 5)).error().code, ErrorCode::kResourceExhausted);
  steps.step();  // admits both
  EXPECT_TRUE(steps.batcher.add(kC, request_of(5, 5)).has_value());
}

TEST(BatcherTest, AdmitsNoMoreThanItMay) {
  auto options = small_options();
  options.max_sequences = 2;
  Steps steps(options);
  for (const SequenceId id : {kA, kB, kC}) ASSERT_TRUE(steps.batcher.add(id, request_of(5, 5)).has_value());
  EXPECT_THAT(steps.step().entries, SizeIs(2));
  EXPECT_EQ(steps.batcher.load().waiting, 1u);
  steps.run_to_idle();
  EXPECT_THAT(steps.tokens_of(kC), SizeIs(5));
}

TEST(BatcherTest, ServesSeveralSequencesWithOneRowPerStep) {
  auto options = small_options();
  options.chunk_tokens = 1;
  Steps steps(options);
  for (const SequenceId id : {kA, kB}) ASSERT_TRUE(steps.batcher.add(id, request_of(5, 5)).has_value());
  while (!steps.batcher.is_idle()) ASSERT_LE(steps.step().entries.size(), 1u);
  EXPECT_THAT(steps.tokens_of(kB), SizeIs(5));
}

TEST(BatcherTest, RefusesWhileDrainingAndFinishesWhatRuns) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  steps.batcher.drain();
  EXPECT_EQ(steps.batcher.add(kB, request_of(5, 5)).error().code, ErrorCode::kUnavailable);
  steps.run_to_idle();
  EXPECT_EQ(steps.finish_of(kA), FinishReason::kLength);
}

TEST(BatcherTest, CarriesThePlanGeneration) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  EXPECT_EQ(steps.step().generation, PlanGeneration{0});
  steps.batcher.set_generation(PlanGeneration{7});
  EXPECT_EQ(steps.step().generation, PlanGeneration{7});
}

TEST(BatcherTest, ForgetsAWaitingSequenceThatIsCancelled) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  steps.batcher.cancel(kA);
  EXPECT_TRUE(steps.batcher.is_idle());
}

TEST(BatcherTest, ReleasesASequenceThatIsCancelledWhileItsStepRuns) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  const StepBatch running = steps.next();
  steps.batcher.cancel(kA);
  steps.finish(outcome_of(running));
  EXPECT_THAT(steps.events, IsEmpty());
  EXPECT_THAT(steps.step().releases, ElementsAre(kA));
  EXPECT_TRUE(steps.batcher.is_idle());
}

}  // namespace
}  // namespace longshore::batching
