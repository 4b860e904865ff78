#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/eval/evaluated_preset.h"
#include "cli/eval/figures.h"
#include "cli/eval/verdict.h"

namespace longshore::cli::eval {

// What came out for one preset.
struct PresetReport {
  EvaluatedPreset preset;
  std::vector<TaskFigures> tasks;
  Verdict verdict;
};

// And for all, with what was evaluated.
struct EvaluationReport {
  std::string model;
  std::uint32_t context = 0;  // tokens of a sample
  std::uint64_t seed = 0;
  std::string kv_type;
  std::string text;  // "generated", or the file
  std::vector<PresetReport> presets;
};

}  // namespace longshore::cli::eval
