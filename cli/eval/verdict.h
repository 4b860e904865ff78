#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/eval/figures.h"

namespace longshore::cli::eval {

// What a preset must hold to be called safe. Every gate is relative to the dense run of the same model on the same samples,
// because what a small model cannot do at all says nothing about a preset.
struct VerdictRule {
  double kl_max = 0.05;            // nats: mean KL over the rows of `text`
  double top1_min = 0.95;          // share of rows with the same most probable token
  double dense_min = 0.70;         // share of right answers of the dense run below which a task says nothing
  double lost_per_100_max = 3;     // b - c per 100 samples
  double p_min = 0.05;             // McNemar's p must be above it, where the preset lost more than it gained
  std::uint32_t samples_min = 20;  // below, no accuracy is told from another
};

enum class Outcome : std::uint8_t { kSafe, kNotSafe, kNotJudged };

struct TaskVerdict {
  Task task = Task::kText;
  Outcome outcome = Outcome::kNotJudged;
  std::string why;  // figures and the rule that they were held to
};

// A preset is not safe if it is not in one task, and safe if it is in all that could be judged, of which there is one.
struct Verdict {
  Outcome outcome = Outcome::kNotJudged;
  std::vector<TaskVerdict> tasks;

  // "safe at this budget: ...", "not safe: TASK: ..." or "not judged: ...", one line with every task.
  std::string line() const;
};

Verdict judge(const std::vector<TaskFigures>& figures, const VerdictRule& rule);

}  // namespace longshore::cli::eval
