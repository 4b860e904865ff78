#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/eval/grade.h"
#include "cli/eval/positions_read.h"
#include "cli/eval/task.h"

namespace longshore::cli::eval {

// Neighbouring rows of a window, summed: the unit in which distances are kept (interval.h).
inline constexpr std::uint32_t kRowsOfRun = 64;
struct RunOfRows {
  std::uint32_t rows = 0;
  double kl = 0;                 // nats
  std::uint32_t agreements = 0;  // rows whose most probable token is the dense run's
  double dense_nll = 0, preset_nll = 0;

  bool operator==(const RunOfRows&) const = default;
};

// What one run (dense or a preset) made of one sample.
struct RunResult {
  PositionsRead positions;      // in the rows that were scored, or that the longest answer takes
  std::vector<RunOfRows> rows;  // of kText, of presets only; in the order of positions
  Grade grade;                  // of the other tasks
  std::string answer;           // its text, valid UTF-8

  bool operator==(const RunResult&) const = default;
};

struct SampleResult {
  Task task = Task::kText;
  std::uint32_t index = 0;
  std::uint32_t prompt_tokens = 0;
  double depth = 0;                   // tasks with answers
  std::uint32_t answer_position = 0;  // likewise, in tokens
  RunResult dense;
  std::vector<RunResult> presets;  // in the order of the presets

  bool operator==(const SampleResult&) const = default;
};

// By task and index: whatever the order in which they were computed, they are added up in this one.
using SampleResults = std::map<std::pair<Task, std::uint32_t>, SampleResult>;

}  // namespace longshore::cli::eval
