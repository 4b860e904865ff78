#include "cli/eval/measurements.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/unit/cli/eval/small_report.h"

namespace longshore::cli::eval {
namespace {

TEST(Measurements, AreAllThereAndSayOfWhat) {
  const EvaluationReport report = small_report();
  const std::vector<Measurement> all = to_measurements(report);
  std::multiset<std::string> names;
  for (const Measurement& measurement : all) {
    names.insert(measurement.name);
    std::set<std::string> words;
    for (const auto& [name, value] : measurement.text_parameters) words.insert(name);
    for (const char* word : {"model", "preset", "kv_type", "text"}) EXPECT_TRUE(words.contains(word)) << measurement.name;
    EXPECT_EQ(words.contains("task"), measurement.name != "eval_safe");
    EXPECT_EQ(measurement.parameters[0], (std::pair<std::string, double>("context", 768)));
    EXPECT_EQ(measurement.parameters[1], (std::pair<std::string, double>("seed", 7)));
  }
  for (const char* once : {"eval_kl", "eval_top1", "eval_perplexity", "eval_accuracy", "eval_score", "eval_safe"})
    EXPECT_EQ(names.count(once), 2u) << once;
  EXPECT_EQ(names.count("eval_positions_read"), 4u);
  EXPECT_EQ(names.count("eval_accuracy_at_depth"), 2u * kDepths);
}

TEST(Measurements, TheLimitIsTheDenseRun) {
  const EvaluationReport report = small_report();
  const std::vector<Measurement> all = to_measurements(report);
  const auto found = std::find_if(all.begin(), all.end(), [](const Measurement& m) { return m.name == "eval_accuracy"; });
  ASSERT_NE(found, all.end());
  const PairedFigures& figures = *report.presets[0].tasks[1].paired;
  EXPECT_EQ(found->value, figures.preset.value);
  EXPECT_EQ(found->limit, figures.dense.value);
}

}  // namespace
}  // namespace longshore::cli::eval
