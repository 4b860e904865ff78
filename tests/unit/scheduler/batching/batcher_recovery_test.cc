#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/scheduler/batching/batcher_steps.h"

namespace longshore::batching {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr SequenceId kA{1}, kB{2};
const Error kLost{ErrorCode::kDataLoss, "attention-1 is gone"};
const Error kGone{ErrorCode::kUnavailable, "compute-0 is gone"};

TEST(BatcherRecoveryTest, PausesTheYoungestWhenRoomEndsAndRunsItAgainLater) {
  auto options = small_options();
  options.kv_leaves = 4;
  Steps steps(options);
  ASSERT_TRUE(steps.batcher.add(kA, request_of(120, 300)).has_value());  // 2 leaves at first, 4 at its end
  ASSERT_TRUE(steps.batcher.add(kB, request_of(20, 300)).has_value());
  bool paused = false, again = false;
  for (int i = 0; i < 2000 && !steps.batcher.is_idle(); ++i) {
    const StepBatch batch = steps.step();
    for (const SequenceStart& start : batch.starts) again |= start.sequence == kB && start.epoch == SequenceEpoch{2};
    paused |= batch.releases == std::vector{kB} && !steps.finish_of(kB);
  }
  EXPECT_TRUE(paused);
  EXPECT_TRUE(again);
  EXPECT_EQ(steps.batcher.counts().pauses, 1u);
  EXPECT_THAT(steps.tokens_of(kA), SizeIs(300));
  ASSERT_THAT(steps.tokens_of(kB), SizeIs(300));
  for (int i = 0; i < 300; ++i) EXPECT_EQ(steps.tokens_of(kB)[static_cast<std::size_t>(i)], 100 + i);
}

TEST(BatcherRecoveryTest, RunsASequenceAgainWhoseKvIsLost) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  steps.step();
  steps.step();
  StepOutcome lost = outcome_of(steps.next());
  entry_of(lost, kA)->error = kLost;
  entry_of(lost, kA)->sampled.reset();
  steps.finish(lost);
  EXPECT_THAT(steps.step().releases, ElementsAre(kA));  // and starts in none before it is released
  const StepBatch again = steps.step();
  ASSERT_THAT(again.starts, SizeIs(1));
  EXPECT_EQ(again.starts[0].epoch, SequenceEpoch{2});
  EXPECT_THAT(again.entries[0].tokens, ElementsAre(0, 1, 2, 3, 4, 100, 101));
  EXPECT_EQ(again.entries[0].draw, 2u);
  steps.run_to_idle();
  EXPECT_THAT(steps.tokens_of(kA), ElementsAre(100, 101, 102, 103, 104));
  EXPECT_EQ(steps.batcher.counts().tokens_discarded, 6u);
}

TEST(BatcherRecoveryTest, RunsASequenceAgainThatMetAnotherPlanOrRoomInHandOver) {
  for (const ErrorCode code : {ErrorCode::kAborted, ErrorCode::kResourceExhausted}) {
    Steps steps(small_options());
    ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 2)).has_value());
    StepOutcome refused = outcome_of(steps.next());
    entry_of(refused, kA)->error = Error{code, "not now"};
    steps.finish(refused);
    steps.run_to_idle();
    EXPECT_THAT(steps.tokens_of(kA), ElementsAre(100, 101));
  }
}

TEST(BatcherRecoveryTest, KeepsTheRoomOfASequenceWhoseKvIsLost) {
  auto options = small_options();
  options.kv_leaves = 2;
  Steps steps(options);
  ASSERT_TRUE(steps.batcher.add(kA, request_of(120, 20)).has_value());
  ASSERT_TRUE(steps.batcher.add(kB, request_of(120, 20)).has_value());
  StepOutcome lost = outcome_of(steps.next());
  entry_of(lost, kA)->error = kLost;
  steps.finish(lost);
  EXPECT_EQ(entry_of(steps.step(), kB), nullptr);
  EXPECT_NE(entry_of(steps.step(), kA), nullptr);
}

TEST(BatcherRecoveryTest, PassesALossOnThatDoesNotEnd) {
  auto options = small_options();
  options.recomputes_max = 2;
  Steps steps(options);
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  for (int i = 0; i < 10 && !steps.batcher.is_idle(); ++i) {
    StepOutcome lost = outcome_of(steps.next());
    for (EntryOutcome& entry : lost.entries) entry.error = kLost;
    steps.finish(lost);
  }
  ASSERT_TRUE(steps.error_of(kA).has_value());
  EXPECT_EQ(steps.error_of(kA)->message, kLost.message);
  EXPECT_EQ(steps.batcher.counts().recomputes, 2u);
}

TEST(BatcherRecoveryTest, EndsASequenceWithAnyOtherError) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  ASSERT_TRUE(steps.batcher.add(kB, request_of(5, 5)).has_value());
  StepOutcome failed = outcome_of(steps.next());
  entry_of(failed, kA)->error = Error{ErrorCode::kInternal, "kernel"};
  steps.finish(failed);
  EXPECT_EQ(steps.error_of(kA)->code, ErrorCode::kInternal);
  EXPECT_THAT(steps.step().releases, ElementsAre(kA));
  steps.run_to_idle();
  EXPECT_EQ(steps.finish_of(kB), FinishReason::kLength);
}

TEST(BatcherRecoveryTest, EndsASequenceThatTheOutcomeLacks) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  StepOutcome empty;
  empty.id = steps.next().id;
  steps.finish(empty);
  EXPECT_EQ(steps.error_of(kA)->code, ErrorCode::kInternal);
}

TEST(BatcherRecoveryTest, EndsASequenceWhoseOutcomeIsOfAnotherEpoch) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  StepOutcome other = outcome_of(steps.next());
  other.entries[0].epoch = SequenceEpoch{9};
  steps.finish(other);
  EXPECT_EQ(steps.error_of(kA)->code, ErrorCode::kInternal);
}

TEST(BatcherRecoveryTest, EndsASequenceWithATokenOutsideTheVocabulary) {
  for (const std::optional<ScoredToken>& sampled :
       {std::optional(ScoredToken{1000, 0, {}}), std::optional(ScoredToken{-1, 0, {}}), std::optional<ScoredToken>()}) {
    Steps steps(small_options());
    ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
    StepOutcome wrong = outcome_of(steps.next());
    wrong.entries[0].sampled = sampled;
    steps.finish(wrong);
    EXPECT_EQ(steps.error_of(kA)->code, ErrorCode::kInternal);
  }
}

TEST(BatcherRecoveryTest, EndsASequenceWithScoresThatNobodyAskedFor) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  StepOutcome wrong = outcome_of(steps.next());
  wrong.entries[0].scores.push_back({});
  steps.finish(wrong);
  EXPECT_EQ(steps.error_of(kA)->code, ErrorCode::kInternal);
}

TEST(BatcherRecoveryTest, StartsAllAgainWhenTheComputeNodeIsLost) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  ASSERT_TRUE(steps.batcher.add(kB, request_of(90, 5)).has_value());
  steps.step();
  steps.next();
  EXPECT_THAT(steps.batcher.on_node_lost(kGone, BatchSeen::kYes), IsEmpty());
  EXPECT_FALSE(steps.batcher.has_in_flight());
  const StepBatch again = steps.step();
  EXPECT_THAT(again.starts, SizeIs(2));
  EXPECT_THAT(again.releases, IsEmpty());  // the node that held them is gone
  steps.run_to_idle();
  EXPECT_THAT(steps.tokens_of(kA), ElementsAre(100, 101, 102, 103, 104));
  EXPECT_THAT(steps.tokens_of(kB), ElementsAre(100, 101, 102, 103, 104));
}

TEST(BatcherRecoveryTest, BlamesABatchOnlyForANodeThatSawIt) {
  auto options = small_options();
  options.recomputes_max = 1;
  Steps steps(options);
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  for (int i = 0; i < 10; ++i) {
    steps.next();
    ASSERT_THAT(steps.batcher.on_node_lost(kGone, BatchSeen::kNo), IsEmpty());
  }
  steps.next();
  ASSERT_THAT(steps.batcher.on_node_lost(kGone, BatchSeen::kYes), IsEmpty());
  steps.next();
  EXPECT_THAT(steps.batcher.on_node_lost(kGone, BatchSeen::kYes), SizeIs(1));
  EXPECT_TRUE(steps.batcher.is_idle());
}

TEST(BatcherRecoveryTest, ScoresAPromptOnceThoughItIsRunTwice) {
  Steps steps(small_options());
  auto request = request_of(100, 3);
  request.score_prompt = true;
  ASSERT_TRUE(steps.batcher.add(kA, std::move(request)).has_value());
  steps.step();
  (void)steps.batcher.on_node_lost(kGone, BatchSeen::kYes);  // in the middle of the prompt
  steps.step();
  steps.step();
  (void)steps.batcher.on_node_lost(kGone, BatchSeen::kYes);  // after it
  EXPECT_FALSE(steps.step().entries[0].score);
  steps.run_to_idle();
  std::size_t scores = 0;
  for (const auto& event : steps.events) scores += event.prompt_scores.size();
  EXPECT_EQ(scores, 99u);
  EXPECT_THAT(steps.tokens_of(kA), SizeIs(3));
}

TEST(BatcherRecoveryTest, MovesSequencesToAnotherReplica) {
  Steps lost(small_options()), other(small_options());
  ASSERT_TRUE(lost.batcher.add(kA, request_of(5, 5)).has_value());
  lost.step();
  lost.step();
  (void)lost.batcher.on_node_lost(kGone, BatchSeen::kYes);
  for (Sequence& sequence : lost.batcher.give_up_all()) other.batcher.take_over(std::move(sequence));
  EXPECT_TRUE(lost.batcher.is_idle());
  EXPECT_EQ(lost.batcher.load().leaves_reserved, 0u);
  other.run_to_idle();
  EXPECT_THAT(other.tokens_of(kA), ElementsAre(102, 103, 104));
}

TEST(BatcherRecoveryTest, EndsWhatNoLongerFitsWhenRoomShrinks) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  ASSERT_TRUE(steps.batcher.add(kB, request_of(500, 5)).has_value());
  steps.step();
  steps.batcher.set_kv_leaves(3);
  steps.run_to_idle();
  EXPECT_THAT(steps.tokens_of(kA), SizeIs(5));
  EXPECT_EQ(steps.error_of(kB)->code, ErrorCode::kResourceExhausted);
}

TEST(BatcherRecoveryTest, EndsASequenceThatOutgrowsAllRoom) {
  auto options = small_options();
  options.kv_leaves = 3;
  Steps steps(options);
  ASSERT_TRUE(steps.batcher.add(kA, request_of(120, 200)).has_value());
  steps.step();
  steps.batcher.set_kv_leaves(2);
  steps.run_to_idle();
  EXPECT_EQ(steps.error_of(kA)->code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(steps.tokens_of(kA), SizeIs(137));  // the row of position 256 has no leaf
}

TEST(BatcherRecoveryTest, TellsEveryoneWhenAllMustEnd) {
  Steps steps(small_options());
  ASSERT_TRUE(steps.batcher.add(kA, request_of(5, 5)).has_value());
  steps.step();
  ASSERT_TRUE(steps.batcher.add(kB, request_of(5, 5)).has_value());
  const auto events = steps.batcher.fail_all({ErrorCode::kUnavailable, "stopping"});
  EXPECT_THAT(events, SizeIs(2));
  EXPECT_THAT(steps.step().releases, ElementsAre(kA));
  EXPECT_TRUE(steps.batcher.is_idle());
}

}  // namespace
}  // namespace longshore::batching
