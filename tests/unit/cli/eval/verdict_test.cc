#include "cli/eval/verdict.h"

#include <gtest/gtest.h>

#include <cmath>

#include "cli/eval/paired_test.h"

namespace longshore::cli::eval {
namespace {

TaskFigures text(double kl, double top1) {
  TaskFigures figures;
  figures.text = TextFigures{100, {kl, 0.0}, {top1, 0.0}, 10, 11};
  return figures;
}

// Right in both, lost, gained, wrong in both.
TaskFigures answers(Task task, std::uint32_t both, std::uint32_t lost, std::uint32_t gained, std::uint32_t neither) {
  TaskFigures figures;
  figures.task = task;
  figures.paired.emplace();
  PairedFigures& paired = *figures.paired;
  paired.samples = both + lost + gained + neither;
  paired.dense_right = both + lost;
  paired.right = both + gained;
  paired.lost = lost;
  paired.gained = gained;
  paired.p = mcnemar(lost, gained);
  paired.dense = wilson(paired.dense_right, paired.samples);
  paired.preset = wilson(paired.right, paired.samples);
  return figures;
}

Outcome outcome(const std::vector<TaskFigures>& figures) { return judge(figures, {}).outcome; }

TEST(Verdict, TextMustBeNearAndAgree) {
  EXPECT_EQ(outcome({text(0, 1)}), Outcome::kSafe);
  EXPECT_EQ(outcome({text(0.05, 0.95)}), Outcome::kSafe);
  EXPECT_EQ(outcome({text(0.0501, 1)}), Outcome::kNotSafe);
  EXPECT_EQ(outcome({text(0, 0.9499)}), Outcome::kNotSafe);
  EXPECT_EQ(outcome({text(std::nan(""), 1)}), Outcome::kNotSafe);
}

TEST(Verdict, AnswersMayBeLostThreeInAHundred) {
  EXPECT_EQ(outcome({answers(Task::kKv, 90, 0, 0, 10)}), Outcome::kSafe);
  EXPECT_EQ(outcome({answers(Task::kKv, 87, 3, 0, 10)}), Outcome::kSafe);
  EXPECT_EQ(outcome({answers(Task::kKv, 86, 4, 0, 10)}), Outcome::kNotSafe);
  EXPECT_EQ(outcome({answers(Task::kKv, 84, 6, 3, 7)}), Outcome::kSafe);
}

TEST(Verdict, ManySamplesTellSmallLosses) {
  const TaskFigures figures = answers(Task::kKv, 900, 25, 0, 75);  // 2.5 in a hundred, and no accident
  EXPECT_LE(figures.paired->p, 0.05);
  EXPECT_EQ(outcome({figures}), Outcome::kNotSafe);
  EXPECT_EQ(outcome({answers(Task::kKv, 900, 0, 25, 75)}), Outcome::kSafe) << "it is better than dense";
}

TEST(Verdict, WhatDenseCannotDoSaysNothing) {
  EXPECT_EQ(outcome({answers(Task::kPasskey, 70, 0, 0, 30)}), Outcome::kSafe);
  EXPECT_EQ(outcome({answers(Task::kPasskey, 0, 69, 0, 31)}), Outcome::kNotJudged);
  EXPECT_EQ(outcome({answers(Task::kPasskey, 19, 0, 0, 0)}), Outcome::kNotJudged) << "too few";
  EXPECT_EQ(outcome({answers(Task::kPasskey, 20, 0, 0, 0)}), Outcome::kSafe);
  EXPECT_EQ(outcome({}), Outcome::kNotJudged);
}

TEST(Verdict, OneTaskIsEnoughToFail) {
  EXPECT_EQ(outcome({text(0, 1), answers(Task::kKv, 0, 100, 0, 0)}), Outcome::kNotSafe);
  EXPECT_EQ(outcome({text(0, 1), answers(Task::kKv, 0, 1, 0, 99)}), Outcome::kSafe);
}

TEST(Verdict, TheLineSaysTheRule) {
  EXPECT_EQ(judge({text(0.01, 0.99)}, {}).line(),
            "safe at this budget: text: mean KL 0.01000 nats (at most 0.05), top-1 99.00 % (at least 95 %)");
  EXPECT_EQ(
      judge({text(0.01, 0.99), answers(Task::kPasskey, 55, 0, 0, 45), answers(Task::kNeedle, 80, 20, 0, 0)}, {}).line(),
      "not safe: needle: 80 % right (dense 100 %), 20 lost and 0 gained of 100: 20.0 per 100 (at most 3), McNemar p "
      "1.91e-06 (above 0.05); held: text: mean KL 0.01000 nats (at most 0.05), top-1 99.00 % (at least 95 %); not "
      "judged: passkey: dense reaches only 55 % on 100 samples (70 % needed)");
}

}  // namespace
}  // namespace longshore::cli::eval
