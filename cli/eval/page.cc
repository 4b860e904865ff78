#include "cli/eval/page.h"

#include <fstream>

#include "cli/eval/format_text.h"
#include "cli/eval/svg_heat_map.h"
#include "cli/eval/svg_scatter.h"
#include "cli/eval/table.h"

namespace longshore::cli::eval {
namespace {

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>longshore eval</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
body { color: #222; background: #fff; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2em .8em .2em 0; vertical-align: top; }
svg { width: 100%; font: 12px system-ui, sans-serif; } .grid { stroke: #ddd; }
.safe { border-left: .4em solid #0072b2; padding-left: .6em; }
.not-safe { border-left: .4em solid #d55e00; padding-left: .6em; }
.not-judged { border-left: .4em solid #999; padding-left: .6em; }
</style></head><body>
<h1>longshore eval</h1>
)";

const char* style_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSafe: return "safe";
    case Outcome::kNotSafe: return "not-safe";
    case Outcome::kNotJudged: return "not-judged";
  }
  return "";
}

std::string verdicts(const EvaluationReport& report) {
  std::string html;
  for (const PresetReport& preset : report.presets) {
    html += "<p class=\"";
    html += style_of(preset.verdict.outcome);
    html += "\"><b>";
    html += escape(preset.preset.name);
    html += "</b>: ";
    html += escape(preset.verdict.line());
    html += "</p>\n";
  }
  return html;
}

std::string charts(const EvaluationReport& report) {
  Scatter kl{"mean KL to the dense run, nats", 0, {}}, accuracy{"right answers, %", 100, {}};
  for (const PresetReport& preset : report.presets)
    for (const TaskFigures& task : preset.tasks) {
      const double share = task.positions.share();
      if (task.text)
        kl.points.push_back({share, task.text->kl.value, "text", preset.preset.name});
      else
        accuracy.points.push_back(
            {share, 100 * task.paired->preset.value, std::string(to_string(task.task)), preset.preset.name});
    }
  // The dense run reads everything and is the same for all presets.
  if (!report.presets.empty())
    for (const TaskFigures& task : report.presets.front().tasks)
      if (task.paired)
        accuracy.points.push_back({1, 100 * task.paired->dense.value, std::string(to_string(task.task)), "dense"});
  std::string html;
  for (const Scatter* chart : {&kl, &accuracy}) {
    if (chart->points.empty()) continue;
    html += "<h2>";
    html += escape(chart->y_name);
    html += "</h2>\n";
    html += to_svg(*chart);
  }
  return html;
}

HeatMap::Row row_of(const std::string& name, const PairedFigures& figures, std::uint32_t PairedFigures::Cell::*right) {
  HeatMap::Row row{name, {}};
  for (const PairedFigures::Cell& cell : figures.by_depth)
    if (cell.samples == 0)
      row.cells.emplace_back(std::nullopt);
    else
      row.cells.emplace_back(static_cast<double>(cell.*right) / cell.samples);
  return row;
}

std::string heat_map(const EvaluationReport& report, Task task) {
  HeatMap map;
  for (std::uint32_t depth = 0; depth < kDepths; ++depth)
    map.columns.push_back(format_text("%.0f %%", 100 * depth_of(depth)));
  for (const PresetReport& preset : report.presets)
    for (const TaskFigures& figures : preset.tasks) {
      if (figures.task != task || !figures.paired) continue;
      if (map.rows.empty()) map.rows.push_back(row_of("dense", *figures.paired, &PairedFigures::Cell::dense_right));
      map.rows.push_back(row_of(preset.preset.name, *figures.paired, &PairedFigures::Cell::right));
    }
  if (map.rows.empty()) return "";
  std::string html = "<h2>Right answers by depth, %: ";
  html += to_string(task);
  html += "</h2>\n";
  html += to_svg(map);
  return html;
}

std::string figures_table(const EvaluationReport& report) {
  std::string html =
      "<h2>Figures</h2>\n<table><tr><th>preset</th><th>task</th><th>reads</th><th>beside the dense run</th></tr>\n";
  for (const PresetReport& preset : report.presets)
    for (const TaskFigures& task : preset.tasks) {
      html += "<tr><td>";
      html += escape(preset.preset.name);
      html += "</td><td>";
      html += to_string(task.task);
      html += format_text("</td><td>%.1f %%</td><td>", 100 * task.positions.share());
      html += escape(figures_text(task));
      html += "</td></tr>\n";
    }
  html += "</table>\n";
  return html;
}

}  // namespace

std::string to_page(const EvaluationReport& report) {
  std::string html = kHead;
  html += "<p>";
  html += escape(title_of(report));
  html += "</p>\n";
  html += verdicts(report);
  html += charts(report);
  for (const Task task : {Task::kNeedle, Task::kPasskey, Task::kKv, Task::kInduction}) html += heat_map(report, task);
  html += figures_table(report);
  html += "</body></html>\n";
  return html;
}

Result<void> write_page(const std::string& path, const EvaluationReport& report) {
  std::ofstream file(path, std::ios::trunc | std::ios::binary);
  file << to_page(report);
  file.flush();
  if (!file) return make_error(ErrorCode::kNotFound, "--report: cannot write ", path);
  return {};
}

}  // namespace longshore::cli::eval
