#include "cli/eval/answering.h"

#include "tests/unit/cli/eval/tiny_node.h"

namespace longshore::cli::eval {
namespace {

class AnsweringTest : public TinyNode {
 protected:
  SampleResult run(Task task, const Prompt& prompt, std::uint32_t chunk = 512) {
    return Answering(*steps_, *tokenizer_, presets_, chunk).run(task, 5, prompt).value();
  }
  Prompt prompt_of(std::size_t tokens) {
    Prompt prompt;
    prompt.tokens = random_tokens(tokens, 9);
    prompt.generate_max = 10;
    prompt.depth = 0.5;
    prompt.answer_position = 17;
    prompt.expected = "123";
    return prompt;
  }

  std::vector<EvaluatedPreset> presets_ = {{"full", {}}, {"window", {{HeadRule{0, 16}}}}};
};

TEST_F(AnsweringTest, TheDenseRunSaysWhatItSays) {
  const Prompt prompt = prompt_of(300);
  const SampleResult result = run(Task::kNeedle, prompt);
  EXPECT_EQ(result.index, 5u);
  EXPECT_EQ(result.prompt_tokens, 300u);
  EXPECT_EQ(result.answer_position, 17u);
  EXPECT_EQ(result.depth, 0.5);
  EXPECT_EQ(result.presets[0], result.dense);
  EXPECT_NE(result.presets[1].answer, result.dense.answer);
  EXPECT_EQ(result.presets[1].positions.preset, 2 * 2 * 16 * 10);
  EXPECT_FALSE(result.dense.answer.empty());
}

TEST_F(AnsweringTest, ChunksChangeNothing) {
  for (const std::size_t tokens : {1u, 64u, 300u}) {
    const Prompt prompt = prompt_of(tokens);
    const SampleResult whole = run(Task::kKv, prompt);
    for (const std::uint32_t chunk : {7u, 64u, 100u})
      EXPECT_EQ(run(Task::kKv, prompt, chunk), whole) << tokens << ' ' << chunk;
  }
}

TEST_F(AnsweringTest, GradesTheTokensThatWereGenerated) {
  Prompt prompt = prompt_of(100);
  prompt.generate_max = 6;
  prompt.expected_tokens = {1000, 1000, 1000, 1000, 1000, 1000};  // which nobody says
  EXPECT_EQ(run(Task::kInduction, prompt).dense.grade, (Grade{false, 0}));
  // The node itself tells what the greedy answer is.
  std::vector<TokenId> greedy, tokens = prompt.tokens;
  for (int i = 0; i < 6; ++i) {
    const SequenceId sequence = steps_->start({}, 100, 200);
    StepEntry entry;
    entry.sequence = sequence;
    entry.tokens = tokens;
    entry.sample = true;
    greedy.push_back(steps_->step(entry).value().sampled->token);
    tokens.push_back(greedy.back());
    steps_->end(sequence);
  }
  prompt.expected_tokens = greedy;
  EXPECT_EQ(run(Task::kInduction, prompt).dense.grade, (Grade{true, 1}));
  EXPECT_EQ(run(Task::kInduction, prompt).presets[0].grade, (Grade{true, 1}));
}

TEST_F(AnsweringTest, WhatTheNodeRefusesIsAnError) {
  presets_[1].heads.rules.resize(3);
  EXPECT_FALSE(Answering(*steps_, *tokenizer_, presets_, 512).run(Task::kKv, 0, prompt_of(50)));
}

}  // namespace
}  // namespace longshore::cli::eval
