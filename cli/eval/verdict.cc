#include "cli/eval/verdict.h"

#include <algorithm>

#include "cli/eval/format_text.h"

namespace longshore::cli::eval {
namespace {

TaskVerdict judge_text(const TextFigures& figures, const VerdictRule& rule) {
  // Written so that a NaN is not safe.
  const bool is_near = figures.kl.value <= rule.kl_max, agrees = figures.top1.value >= rule.top1_min;
  return {Task::kText, is_near && agrees ? Outcome::kSafe : Outcome::kNotSafe,
          format_text("mean KL %.5f nats (at most %g), top-1 %.2f %% (at least %g %%)", figures.kl.value, rule.kl_max,
                      100 * figures.top1.value, 100 * rule.top1_min)};
}

TaskVerdict judge_paired(Task task, const PairedFigures& figures, const VerdictRule& rule) {
  if (figures.samples < rule.samples_min)
    return {task, Outcome::kNotJudged, format_text("only %u samples (%u needed)", figures.samples, rule.samples_min)};
  const double n = figures.samples;
  if (figures.dense.value < rule.dense_min)
    return {task, Outcome::kNotJudged,
            format_text("dense reaches only %.0f %% on %u samples (%g %% needed)", 100 * figures.dense.value,
                        figures.samples, 100 * rule.dense_min)};
  const double lost = 100 * (static_cast<double>(figures.lost) - figures.gained) / n;
  const bool is_worse = lost > rule.lost_per_100_max || (figures.lost > figures.gained && figures.p <= rule.p_min);
  return {
      task, is_worse ? Outcome::kNotSafe : Outcome::kSafe,
      format_text(
          "%.0f %% right (dense %.0f %%), %u lost and %u gained of %u: %.1f per 100 (at most %g), McNemar p %.3g (above %g)",
          100 * figures.preset.value, 100 * figures.dense.value, figures.lost, figures.gained, figures.samples, lost,
          rule.lost_per_100_max, figures.p, rule.p_min)};
}

}  // namespace

std::string Verdict::line() const {
  std::string text;
  const auto add = [&](Outcome of, const char* title) {
    bool is_first = true;
    for (const TaskVerdict& task : tasks) {
      if (task.outcome != of) continue;
      if (!text.empty()) text += "; ";
      if (is_first) text += title;
      is_first = false;
      text += to_string(task.task);
      text += ": ";
      text += task.why;
    }
  };
  add(Outcome::kNotSafe, "not safe: ");
  add(Outcome::kSafe, outcome == Outcome::kSafe ? "safe at this budget: " : "held: ");
  add(Outcome::kNotJudged, "not judged: ");
  return text;
}

Verdict judge(const std::vector<TaskFigures>& figures, const VerdictRule& rule) {
  Verdict verdict;
  for (const TaskFigures& task : figures)
    verdict.tasks.push_back(task.text ? judge_text(*task.text, rule) : judge_paired(task.task, *task.paired, rule));
  const auto any = [&](Outcome outcome) {
    return std::any_of(verdict.tasks.begin(), verdict.tasks.end(),
                       [&](const TaskVerdict& t) { return t.outcome == outcome; });
  };
  verdict.outcome = any(Outcome::kNotSafe) ? Outcome::kNotSafe : any(Outcome::kSafe) ? Outcome::kSafe : Outcome::kNotJudged;
  return verdict;
}

}  // namespace longshore::cli::eval
