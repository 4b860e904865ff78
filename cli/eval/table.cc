#include "cli/eval/table.h"

#include <algorithm>
#include <cstdio>

#include "cli/eval/format_text.h"

namespace longshore::cli::eval {
namespace {

std::string plus_minus(const Mean& mean, double scale, const char* form) {
  std::string text;
  char number[64];
  std::snprintf(number, sizeof number, form, scale * mean.value);
  text += number;
  if (!mean.half) return text;
  std::snprintf(number, sizeof number, form, scale * *mean.half);
  text += " +- ";
  text += number;
  return text;
}

std::string share_text(const Share& share) {
  return format_text("%.1f %% [%.1f, %.1f]", 100 * share.value, 100 * share.low, 100 * share.high);
}

}  // namespace

std::string title_of(const EvaluationReport& report) {
  return format_text("model %s, context %u, KV %s, seed %llu, text %s", report.model.c_str(), report.context,
                     report.kv_type.c_str(), static_cast<unsigned long long>(report.seed), report.text.c_str());
}

std::string figures_text(const TaskFigures& task) {
  std::string text;
  if (task.text) {
    const TextFigures& figures = *task.text;
    text += format_text("%llu rows: KL ", static_cast<unsigned long long>(figures.rows));
    text += plus_minus(figures.kl, 1, "%.5f");
    text += " nats, top-1 ";
    text += plus_minus(figures.top1, 100, "%.2f");
    text += format_text(" %%, perplexity %.4g (dense %.4g)", figures.perplexity, figures.dense_perplexity);
    return text;
  }
  const PairedFigures& figures = *task.paired;
  text += format_text("%u samples: ", figures.samples);
  text += share_text(figures.preset);
  text += " right (dense ";
  text += share_text(figures.dense);
  text += format_text("), b %u, c %u, p %.3g", figures.lost, figures.gained, figures.p);
  if (task.task == Task::kInduction) text += format_text(", score %.3f (dense %.3f)", figures.score, figures.dense_score);
  return text;
}

std::string to_table(const EvaluationReport& report) {
  std::string text = title_of(report);
  text += '\n';
  int width = 6;
  for (const PresetReport& preset : report.presets) width = std::max(width, static_cast<int>(preset.preset.name.size()));
  text += format_text("%-*s  %-9s  %7s  %s\n", width, "preset", "task", "reads", "figures, beside the dense run");
  for (const PresetReport& preset : report.presets)
    for (const TaskFigures& task : preset.tasks) {
      text += format_text("%-*s  %-9s  %5.1f %%  ", width, preset.preset.name.c_str(),
                          std::string(to_string(task.task)).c_str(), 100 * task.positions.share());
      text += figures_text(task);
      text += '\n';
    }
  for (const PresetReport& preset : report.presets) {
    text += preset.preset.name;
    text += ": ";
    text += preset.verdict.line();
    text += '\n';
  }
  return text;
}

}  // namespace longshore::cli::eval
