// The batcher and its prefix cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scheduler/batching/batcher.h"
#include "tests/unit/scheduler/batching/batcher_steps.h"

namespace longshore::batching {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr SequenceId kA{1}, kB{2}, kC{3};

class BatcherPrefixTest : public testing::Test {
 protected:
  // Runs a sequence to its end; its leaves stay.
  void leave_behind(SequenceId id, std::uint32_t prompt_tokens, std::uint32_t max_tokens = 1) {
    ASSERT_TRUE(steps_.batcher.add(id, request_of(prompt_tokens, max_tokens)).has_value());
    steps_.run_to_idle();
  }
  // The first batch of a new sequence.
  StepBatch begin(SequenceId id, SequenceRequest request) {
    EXPECT_TRUE(steps_.batcher.add(id, std::move(request)).has_value());
    return steps_.step();
  }

  Steps steps_{small_options()};
};

TEST_F(BatcherPrefixTest, BeginsBehindWhatAnotherLeft) {
  leave_behind(kA, 300);
  EXPECT_EQ(steps_.batcher.load().leaves_cached, 2u);
  EXPECT_EQ(steps_.batcher.load().leaves_reserved, 0u);
  const StepBatch first = begin(kB, request_of(310, 5));
  ASSERT_THAT(first.starts, SizeIs(1));
  ASSERT_TRUE(first.starts[0].prefix);
  EXPECT_EQ(first.starts[0].prefix->carrier, kA);
  EXPECT_EQ(first.starts[0].prefix->epoch, SequenceEpoch{1});
  EXPECT_EQ(first.starts[0].prefix->leaves, 2u);
  EXPECT_EQ(entry_of(first, kB)->position, 256u);
  EXPECT_THAT(entry_of(first, kB)->tokens, SizeIs(54));
  EXPECT_TRUE(entry_of(first, kB)->sample);
  EXPECT_EQ(steps_.events.back().cached_tokens, 256u);
  EXPECT_EQ(steps_.events.back().prompt_tokens_done, 310u);
  EXPECT_EQ(steps_.batcher.load().leaves_reserved, 1u);  // the shared ones are counted once
}

TEST_F(BatcherPrefixTest, SaysWhatIsKeptWhenASequenceEnds) {
  ASSERT_TRUE(steps_.batcher.add(kA, request_of(140, 1)).has_value());
  while (entry_of(steps_.step(), kA)->sample == false) {
  }
  const StepBatch last = steps_.step();
  EXPECT_THAT(last.releases, IsEmpty());
  ASSERT_THAT(last.keeps, SizeIs(1));
  EXPECT_EQ(last.keeps[0].sequence, kA);
  EXPECT_EQ(last.keeps[0].leaves, 1u);
  EXPECT_TRUE(steps_.batcher.is_idle());
}

TEST_F(BatcherPrefixTest, LeavesTheLastTokenToCompute) {
  leave_behind(kA, 256);
  const StepBatch first = begin(kB, request_of(256, 5));
  EXPECT_EQ(first.starts[0].prefix->leaves, 1u);
  EXPECT_EQ(entry_of(first, kB)->position, 128u);
}

TEST_F(BatcherPrefixTest, TakesNothingWhereEveryRowIsScored) {
  leave_behind(kA, 300);
  SequenceRequest request = request_of(300, 5);
  request.score_prompt = true;
  const StepBatch first = begin(kB, std::move(request));
  EXPECT_FALSE(first.starts[0].prefix);
  EXPECT_EQ(entry_of(first, kB)->position, 0u);
}

TEST_F(BatcherPrefixTest, TakesNothingFromAnotherTenant) {
  leave_behind(kA, 300);
  SequenceRequest request = request_of(300, 5);
  request.cache_salt = "other";
  EXPECT_FALSE(begin(kB, std::move(request)).starts[0].prefix);
}

TEST_F(BatcherPrefixTest, KeepsNothingIfItIsSwitchedOff) {
  BatcherOptions options = small_options();
  options.prefix_cache = false;
  Steps steps(options);
  ASSERT_TRUE(steps.batcher.add(kA, request_of(300, 1)).has_value());
  while (!entry_of(steps.step(), kA)->sample) {
  }
  EXPECT_THAT(steps.step().releases, ElementsAre(kA));
  EXPECT_EQ(steps.batcher.load().leaves_cached, 0u);
}

TEST_F(BatcherPrefixTest, GivesWayToWhoeverNeedsTheRoom) {
  BatcherOptions options = small_options();
  options.kv_leaves = 5;
  steps_.batcher = Batcher(options);
  leave_behind(kA, 400);  // three leaves
  SequenceRequest request = request_of(450, 1);
  std::ranges::fill(request.prompt, 7);  // four leaves, nothing in common
  const StepBatch first = begin(kB, std::move(request));
  ASSERT_THAT(first.keeps, SizeIs(1));
  EXPECT_EQ(first.keeps[0].sequence, kA);
  EXPECT_EQ(first.keeps[0].leaves, 1u);
  EXPECT_LE(steps_.batcher.load().leaves_reserved + steps_.batcher.load().leaves_cached, 5u);
}

TEST_F(BatcherPrefixTest, WhatIsInUseStays) {
  BatcherOptions options = small_options();
  options.kv_leaves = 5;
  steps_.batcher = Batcher(options);
  leave_behind(kA, 400);
  begin(kB, request_of(390, 100));  // begins with three, needs four
  SequenceRequest request = request_of(300, 1);
  std::ranges::fill(request.prompt, 7);
  ASSERT_TRUE(steps_.batcher.add(kC, std::move(request)).has_value());
  EXPECT_EQ(entry_of(steps_.step(), kC), nullptr);  // waits: three leaves are in use, one is reserved
  steps_.run_to_idle();
  EXPECT_TRUE(steps_.finish_of(kB).has_value());
  EXPECT_TRUE(steps_.finish_of(kC).has_value());
}

TEST_F(BatcherPrefixTest, LostKvDropsEverything) {
  leave_behind(kA, 300);
  StepBatch first;
  ASSERT_TRUE(steps_.batcher.add(kB, request_of(310, 5)).has_value());
  first = steps_.next();
  ASSERT_TRUE(first.starts[0].prefix);
  StepOutcome outcome = outcome_of(first);
  entry_of(outcome, kB)->error = Error{ErrorCode::kDataLoss, "an attention node is lost"};
  entry_of(outcome, kB)->sampled.reset();
  steps_.finish(outcome);
  EXPECT_EQ(steps_.batcher.load().leaves_cached, 0u);
  EXPECT_EQ(steps_.batcher.load().leaves_reserved, 3u);
  EXPECT_THAT(steps_.step().releases, ElementsAre(kA, kB));
  const StepBatch again = steps_.step();
  EXPECT_FALSE(again.starts[0].prefix);
  EXPECT_EQ(again.starts[0].epoch, SequenceEpoch{2});
  EXPECT_EQ(entry_of(again, kB)->position, 0u);
  steps_.run_to_idle();
  EXPECT_EQ(steps_.finish_of(kB), FinishReason::kLength);
}

TEST_F(BatcherPrefixTest, ANewPlanDropsWhatLiesByTheOld) {
  leave_behind(kA, 300);
  steps_.batcher.set_generation(PlanGeneration{0});  // the same
  EXPECT_EQ(steps_.batcher.load().leaves_cached, 2u);
  steps_.batcher.set_generation(PlanGeneration{5});
  EXPECT_EQ(steps_.batcher.load().leaves_cached, 0u);
  EXPECT_THAT(steps_.step().releases, ElementsAre(kA));
}

TEST_F(BatcherPrefixTest, ASequenceOfAnEarlierPlanLeavesNothing) {
  ASSERT_TRUE(steps_.batcher.add(kA, request_of(300, 3)).has_value());
  steps_.step();
  steps_.batcher.set_generation(PlanGeneration{5});
  steps_.run_to_idle();
  EXPECT_EQ(steps_.finish_of(kA), FinishReason::kLength);
  EXPECT_EQ(steps_.batcher.load().leaves_cached, 0u);
}

TEST_F(BatcherPrefixTest, ALostNodeIsToldNothing) {
  leave_behind(kA, 300);
  steps_.batcher.on_node_lost({ErrorCode::kUnavailable, "gone"}, BatchSeen::kNo);
  EXPECT_EQ(steps_.batcher.load().leaves_cached, 0u);
  EXPECT_TRUE(steps_.batcher.is_idle());
}

TEST_F(BatcherPrefixTest, ACancelledSequenceLeavesWhatItHas) {
  ASSERT_TRUE(steps_.batcher.add(kA, request_of(400, 5)).has_value());
  for (int i = 0; i < 3; ++i) steps_.step();  // 192 rows
  steps_.batcher.cancel(kA);
  EXPECT_EQ(steps_.batcher.load().leaves_cached, 1u);
  EXPECT_EQ(begin(kB, request_of(400, 5)).starts[0].prefix->leaves, 1u);
}

TEST_F(BatcherPrefixTest, CountsTokensAskedForAndFound) {
  leave_behind(kA, 300);
  begin(kB, request_of(310, 5));
  EXPECT_EQ(steps_.batcher.counts().prefix_queries, 610u);
  EXPECT_EQ(steps_.batcher.counts().prefix_hits, 256u);
}

TEST_F(BatcherPrefixTest, SharesWithOneThatRuns) {
  ASSERT_TRUE(steps_.batcher.add(kA, request_of(300, 50)).has_value());
  for (int i = 0; i < 7; ++i) steps_.step();  // it decodes
  const StepBatch first = begin(kB, request_of(310, 5));
  ASSERT_THAT(first.starts, SizeIs(1));
  ASSERT_TRUE(first.starts[0].prefix);
  EXPECT_EQ(first.starts[0].prefix->carrier, kA);
  EXPECT_EQ(first.starts[0].prefix->leaves, 2u);
  EXPECT_EQ(entry_of(first, kB)->position, 256u);
  EXPECT_EQ(steps_.events.back().cached_tokens, 256u);
  EXPECT_EQ(steps_.batcher.counts().prefix_queries, 610u);
  EXPECT_EQ(steps_.batcher.counts().prefix_hits, 256u);
  EXPECT_EQ(steps_.batcher.load().leaves_reserved, 6u);  // either may hold them longer
  steps_.run_to_idle();
  EXPECT_EQ(steps_.finish_of(kB), FinishReason::kLength);
  EXPECT_EQ(steps_.batcher.load().leaves_cached, 2u);  // one copy
  EXPECT_EQ(steps_.batcher.load().leaves_reserved, 0u);
}

TEST_F(BatcherPrefixTest, WaitsForAnOlderOneThatComputesTheSame) {
  ASSERT_TRUE(steps_.batcher.add(kA, request_of(300, 5)).has_value());
  ASSERT_TRUE(steps_.batcher.add(kB, request_of(310, 5)).has_value());
  for (int i = 0; i < 4; ++i) {
    const StepBatch batch = steps_.step();
    EXPECT_THAT(entry_of(batch, kA)->tokens, SizeIs(64));  // all of the budget
    EXPECT_EQ(entry_of(batch, kB), nullptr);
  }
  const StepBatch batch = steps_.step();
  ASSERT_THAT(batch.starts, SizeIs(1));
  EXPECT_EQ(batch.starts[0].sequence, kB);
  EXPECT_EQ(entry_of(batch, kB)->position, 256u);
  steps_.run_to_idle();
  EXPECT_THAT(steps_.tokens_of(kB), SizeIs(5));
}

TEST_F(BatcherPrefixTest, WaitsForNobodyWhomItWouldPass) {
  SequenceRequest unrelated = request_of(1000, 5);
  std::ranges::fill(unrelated.prompt, 7);
  ASSERT_TRUE(steps_.batcher.add(kA, std::move(unrelated)).has_value());
  ASSERT_TRUE(steps_.batcher.add(kB, request_of(1000, 5)).has_value());
  ASSERT_TRUE(steps_.batcher.add(kC, request_of(200, 5)).has_value());
  const StepBatch first = steps_.step();
  ASSERT_NE(entry_of(first, kC), nullptr);
  EXPECT_EQ(entry_of(first, kC)->position, 0u);
}

TEST_F(BatcherPrefixTest, TakesWhatTheOneItWaitedForHasLeft) {
  ASSERT_TRUE(steps_.batcher.add(kA, request_of(400, 5)).has_value());
  ASSERT_TRUE(steps_.batcher.add(kB, request_of(400, 5)).has_value());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(entry_of(steps_.step(), kB), nullptr);  // 192 rows
  steps_.batcher.cancel(kA);
  const StepBatch batch = steps_.step();
  ASSERT_TRUE(batch.starts[0].prefix);
  EXPECT_EQ(batch.starts[0].prefix->carrier, kA);
  EXPECT_EQ(entry_of(batch, kB)->position, 128u);
  EXPECT_EQ(steps_.batcher.load().leaves_cached, 1u);
  EXPECT_EQ(steps_.batcher.load().leaves_reserved, 3u);
}

TEST_F(BatcherPrefixTest, BeginsAloneIfWhatItSharedIsNotThere) {
  ASSERT_TRUE(steps_.batcher.add(kA, request_of(300, 50)).has_value());
  for (int i = 0; i < 7; ++i) steps_.step();
  ASSERT_TRUE(steps_.batcher.add(kB, request_of(310, 5)).has_value());
  const StepBatch first = steps_.next();
  ASSERT_TRUE(first.starts[0].prefix);
  StepOutcome outcome = outcome_of(first);
  entry_of(outcome, kB)->error = Error{ErrorCode::kAborted, "its prefix is not here"};
  entry_of(outcome, kB)->sampled.reset();
  steps_.finish(outcome);
  steps_.step();  // releases it
  const StepBatch again = steps_.step();
  EXPECT_FALSE(again.starts[0].prefix);
  EXPECT_EQ(entry_of(again, kB)->position, 0u);
}

TEST_F(BatcherPrefixTest, WithWindowsNothingIsSharedWithOneThatRuns) {
  BatcherOptions options = small_options();
  options.prefixes_end_whole = true;
  steps_.batcher = Batcher(options);
  ASSERT_TRUE(steps_.batcher.add(kA, request_of(300, 5)).has_value());
  ASSERT_TRUE(steps_.batcher.add(kB, request_of(300, 5)).has_value());
  const StepBatch first = steps_.step();
  EXPECT_NE(entry_of(first, kB), nullptr);
}

}  // namespace
}  // namespace longshore::batching
