#pragma once

#include "cli/eval/preset_report.h"
#include "tests/unit/cli/eval/random_results.h"

namespace longshore::cli::eval {

// Two presets, one with a name that HTML would misread, on windows and needles.
inline EvaluationReport small_report() {
  Random random(1);
  SampleResults results;
  for (std::uint32_t i = 0; i < 30; ++i) {
    results[{Task::kText, i}] = random_window(i, 2, random);
    results[{Task::kNeedle, i}] = random_answer(Task::kNeedle, i, 2, random);
  }
  EvaluationReport report{"small", 768, 7, "f16", "generated", {}};
  for (const char* name : {"window:sinks=4,window=256", "<\"a\" & 'b'>"}) {
    PresetReport preset{{name, {}}, figures_of(results, {Task::kText, Task::kNeedle}, report.presets.size()), {}};
    preset.verdict = judge(preset.tasks, {});
    report.presets.push_back(preset);
  }
  return report;
}

}  // namespace longshore::cli::eval
