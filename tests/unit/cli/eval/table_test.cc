#include "cli/eval/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/cli/eval/small_report.h"

namespace longshore::cli::eval {
namespace {

TEST(Table, HasALineForEachPresetAndTaskAndVerdict) {
  const std::string table = to_table(small_report());
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 2 + 2 * 2 + 2) << table;
  EXPECT_TRUE(table.starts_with("model small, context 768, KV f16, seed 7, text generated\n")) << table;
  EXPECT_THAT(table, testing::HasSubstr("\nwindow:sinks=4,window=256  text  "));
  EXPECT_THAT(table, testing::HasSubstr("\nwindow:sinks=4,window=256: "));
}

TEST(Table, SaysTheFigures) {
  TaskFigures figures;
  figures.text = TextFigures{100, {0.25, 0.125}, {0.5, 0.0625}, 8, 9.5};
  EXPECT_EQ(figures_text(figures), "100 rows: KL 0.25000 +- 0.12500 nats, top-1 50.00 +- 6.25 %, perplexity 9.5 (dense 8)");
  figures.text->kl.half.reset();
  EXPECT_THAT(figures_text(figures), testing::HasSubstr("KL 0.25000 nats"));
  TaskFigures pairs;
  pairs.task = Task::kInduction;
  pairs.paired.emplace();
  pairs.paired->samples = 10;
  pairs.paired->lost = 3;
  pairs.paired->gained = 1;
  pairs.paired->p = 0.625;
  pairs.paired->dense = {0.9, 0.6, 1};
  pairs.paired->preset = {0.7, 0.4, 0.9};
  pairs.paired->dense_score = 0.95;
  pairs.paired->score = 0.75;
  EXPECT_EQ(figures_text(pairs),
            "10 samples: 70.0 % [40.0, 90.0] right (dense 90.0 % [60.0, 100.0]), b 3, c 1, p 0.625, score "
            "0.750 (dense 0.950)");
}

}  // namespace
}  // namespace longshore::cli::eval
