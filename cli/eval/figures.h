#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "cli/eval/interval.h"
#include "cli/eval/positions_read.h"
#include "cli/eval/sample_result.h"
#include "cli/eval/task.h"

namespace longshore::cli::eval {

// Teacher-forced rows of a preset beside the dense run's.
struct TextFigures {
  std::uint64_t rows = 0;
  Mean kl;                                      // nats
  Mean top1;                                    // share of rows, [0, 1]
  double dense_perplexity = 0, perplexity = 0;  // exp of the mean negative log-likelihood over all rows, natural logarithm
};

// Right and wrong answers of a preset beside the dense run's, on the same samples.
struct PairedFigures {
  struct Cell {
    std::uint32_t samples = 0, dense_right = 0, right = 0;
  };
  std::uint32_t samples = 0, dense_right = 0, right = 0;
  std::uint32_t lost = 0;    // b: the dense run right, the preset wrong
  std::uint32_t gained = 0;  // c: the reverse
  double p = 1;              // McNemar's
  Share dense, preset;
  double dense_score = 0, score = 0;        // mean of the samples' scores
  std::array<Cell, kDepths> by_depth = {};  // at 0, 10 .. 100 %
};

struct TaskFigures {
  Task task = Task::kText;
  PositionsRead positions;
  std::optional<TextFigures> text;      // of kText
  std::optional<PairedFigures> paired;  // of the others
};

// Figures of the preset with this index, for each task in turn. Requires: each result has that many presets.
std::vector<TaskFigures> figures_of(const SampleResults& results, const std::vector<Task>& tasks, std::size_t preset);

}  // namespace longshore::cli::eval
