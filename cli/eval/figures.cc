#include "cli/eval/figures.h"

#include <cmath>

#include "cli/eval/paired_test.h"

namespace longshore::cli::eval {
namespace {

TextFigures text_figures(const std::vector<const SampleResult*>& samples, std::size_t preset) {
  TextFigures figures;
  std::vector<Cluster> kl, agreements;
  double dense_nll = 0, preset_nll = 0;
  for (const SampleResult* sample : samples)
    for (const RunOfRows& run : sample->presets[preset].rows) {
      kl.push_back({run.kl, run.rows});
      agreements.push_back({static_cast<double>(run.agreements), run.rows});
      dense_nll += run.dense_nll;
      preset_nll += run.preset_nll;
      figures.rows += run.rows;
    }
  figures.kl = mean_of(kl);
  figures.top1 = mean_of(agreements);
  figures.dense_perplexity = std::exp(dense_nll / static_cast<double>(figures.rows));
  figures.perplexity = std::exp(preset_nll / static_cast<double>(figures.rows));
  return figures;
}

PairedFigures paired_figures(const std::vector<const SampleResult*>& samples, std::size_t preset) {
  PairedFigures figures;
  for (const SampleResult* sample : samples) {
    const Grade &dense = sample->dense.grade, &other = sample->presets[preset].grade;
    PairedFigures::Cell& cell = figures.by_depth[sample->index % kDepths];
    for (std::uint32_t* count : {&figures.samples, &cell.samples}) ++*count;
    for (std::uint32_t* count : {&figures.dense_right, &cell.dense_right}) *count += dense.right ? 1 : 0;
    for (std::uint32_t* count : {&figures.right, &cell.right}) *count += other.right ? 1 : 0;
    figures.lost += dense.right && !other.right ? 1 : 0;
    figures.gained += !dense.right && other.right ? 1 : 0;
    figures.dense_score += dense.score;
    figures.score += other.score;
  }
  figures.p = mcnemar(figures.lost, figures.gained);
  figures.dense = wilson(figures.dense_right, figures.samples);
  figures.preset = wilson(figures.right, figures.samples);
  figures.dense_score /= figures.samples;
  figures.score /= figures.samples;
  return figures;
}

}  // namespace

std::vector<TaskFigures> figures_of(const SampleResults& results, const std::vector<Task>& tasks, std::size_t preset) {
  std::vector<TaskFigures> all;
  for (const Task task : tasks) {
    TaskFigures figures;
    figures.task = task;
    std::vector<const SampleResult*> samples;
    for (const auto& [id, result] : results)
      if (id.first == task) {
        samples.push_back(&result);
        figures.positions.add(result.presets[preset].positions);
      }
    if (samples.empty()) continue;
    if (has_answers(task))
      figures.paired = paired_figures(samples, preset);
    else
      figures.text = text_figures(samples, preset);
    all.push_back(std::move(figures));
  }
  return all;
}

}  // namespace longshore::cli::eval
