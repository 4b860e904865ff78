#include "cli/eval/figures.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/cli/eval/random_results.h"

namespace longshore::cli::eval {
namespace {

TEST(Figures, OfATextAreMeansOverAllRows) {
  SampleResults results;
  for (const std::uint32_t index : {0u, 1u}) {
    SampleResult result;
    result.index = index;
    RunResult run;
    run.positions = {10, 40};
    run.rows = {{1, 0.5, 1, 2.0, 3.0}, {3, 0.25, 2, 4.0, 5.0}};
    result.presets = {RunResult{}, run};
    results[{Task::kText, index}] = result;
  }
  const std::vector<TaskFigures> all = figures_of(results, {Task::kText}, 1);
  ASSERT_EQ(all.size(), 1u);
  const TextFigures& figures = *all[0].text;
  EXPECT_EQ(figures.rows, 8u);
  EXPECT_DOUBLE_EQ(figures.kl.value, 1.5 / 8);
  EXPECT_DOUBLE_EQ(figures.top1.value, 6.0 / 8);
  EXPECT_DOUBLE_EQ(figures.dense_perplexity, std::exp(12.0 / 8));
  EXPECT_DOUBLE_EQ(figures.perplexity, std::exp(16.0 / 8));
  EXPECT_DOUBLE_EQ(all[0].positions.share(), 0.25);
}

TEST(Figures, OfAnswersArePaired) {
  Random random(1);
  SampleResults results;
  std::uint32_t lost = 0, gained = 0, dense_right = 0, right = 0;
  for (std::uint32_t index = 0; index < 100; ++index) {
    const SampleResult result = random_answer(Task::kKv, index, 1, random);
    const bool dense = result.dense.grade.right, preset = result.presets[0].grade.right;
    lost += dense && !preset ? 1 : 0;
    gained += !dense && preset ? 1 : 0;
    dense_right += dense ? 1 : 0;
    right += preset ? 1 : 0;
    results[{Task::kKv, index}] = result;
  }
  const std::vector<TaskFigures> all = figures_of(results, {Task::kText, Task::kKv}, 0);
  ASSERT_EQ(all.size(), 1u) << "there is no text";
  const PairedFigures& figures = *all[0].paired;
  EXPECT_EQ(figures.samples, 100u);
  EXPECT_EQ(figures.lost, lost);
  EXPECT_EQ(figures.gained, gained);
  EXPECT_EQ(figures.dense_right, dense_right);
  EXPECT_EQ(figures.right, right);
  EXPECT_EQ(dense_right - lost + gained, right);
  EXPECT_DOUBLE_EQ(figures.preset.value, right / 100.0);
  std::uint32_t samples = 0, of_cells = 0;
  for (const PairedFigures::Cell& cell : figures.by_depth) {
    samples += cell.samples;
    of_cells += cell.right;
  }
  EXPECT_EQ(samples, 100u);
  EXPECT_EQ(of_cells, right);
  EXPECT_EQ(figures.by_depth[0].samples, 10u);
  EXPECT_EQ(figures.by_depth[10].samples, 9u);
}

}  // namespace
}  // namespace longshore::cli::eval
