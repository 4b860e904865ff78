#include "cli/eval/measurements.h"

#include <utility>

namespace longshore::cli::eval {
namespace {

using Numbers = std::vector<std::pair<std::string, double>>;

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSafe: return "safe";
    case Outcome::kNotSafe: return "not safe";
    case Outcome::kNotJudged: return "not judged";
  }
  return "?";
}

// Adds figures with the parameters that all of them share.
class Writer {
 public:
  Writer(const EvaluationReport& report, const PresetReport& preset)
      : words_{{"model", report.model}, {"kv_type", report.kv_type}, {"text", report.text}, {"preset", preset.preset.name}},
        numbers_{{"context", report.context}, {"seed", static_cast<double>(report.seed)}} {}
  void set_task(Task task) { task_ = task; }
  void add(const char* name, double value, const char* unit, std::optional<double> limit, Numbers numbers) {
    numbers.insert(numbers.begin(), numbers_.begin(), numbers_.end());
    Measurement measurement{name, value, unit, limit, words_, std::move(numbers)};
    if (task_) measurement.text_parameters.emplace_back("task", to_string(*task_));
    all_.push_back(std::move(measurement));
  }
  void add_verdict(const Verdict& verdict) {
    task_.reset();
    add("eval_safe", verdict.outcome == Outcome::kSafe ? 1 : 0, "", std::nullopt, {});
    all_.back().text_parameters.emplace_back("outcome", outcome_name(verdict.outcome));
    all_.back().text_parameters.emplace_back("verdict", verdict.line());
  }
  std::vector<Measurement> take() { return std::move(all_); }

 private:
  std::vector<std::pair<std::string, std::string>> words_;
  Numbers numbers_;
  std::optional<Task> task_;
  std::vector<Measurement> all_;
};

Numbers with_half(Numbers numbers, const Mean& mean) {
  if (mean.half) numbers.emplace_back("half_interval", *mean.half);
  return numbers;
}

void add_text(const TextFigures& figures, Writer& writer) {
  const Numbers rows = {{"rows", static_cast<double>(figures.rows)}};
  writer.add("eval_kl", figures.kl.value, "nats", std::nullopt, with_half(rows, figures.kl));
  writer.add("eval_top1", figures.top1.value, "share", std::nullopt, with_half(rows, figures.top1));
  writer.add("eval_perplexity", figures.perplexity, "", figures.dense_perplexity, rows);
}

void add_paired(const PairedFigures& figures, Writer& writer) {
  const auto numbers = [](const Share& share, std::uint32_t samples) {
    return Numbers{{"samples", samples}, {"low", share.low}, {"high", share.high}};
  };
  Numbers of_all = numbers(figures.preset, figures.samples);
  of_all.emplace_back("lost", figures.lost);
  of_all.emplace_back("gained", figures.gained);
  of_all.emplace_back("mcnemar_p", figures.p);
  writer.add("eval_accuracy", figures.preset.value, "share", figures.dense.value, std::move(of_all));
  writer.add("eval_score", figures.score, "share", figures.dense_score, {{"samples", figures.samples}});
  for (std::uint32_t depth = 0; depth < kDepths; ++depth) {
    const PairedFigures::Cell& cell = figures.by_depth[depth];
    if (cell.samples == 0) continue;
    const Share share = wilson(cell.right, cell.samples);
    Numbers of_depth = numbers(share, cell.samples);
    of_depth.emplace_back("depth", depth_of(depth));
    writer.add("eval_accuracy_at_depth", share.value, "share", wilson(cell.dense_right, cell.samples).value,
               std::move(of_depth));
  }
}

}  // namespace

std::vector<Measurement> to_measurements(const EvaluationReport& report) {
  std::vector<Measurement> all;
  for (const PresetReport& preset : report.presets) {
    Writer writer(report, preset);
    for (const TaskFigures& task : preset.tasks) {
      writer.set_task(task.task);
      if (task.text)
        add_text(*task.text, writer);
      else
        add_paired(*task.paired, writer);
      writer.add("eval_positions_read", task.positions.share(), "share", 1, {});
    }
    writer.add_verdict(preset.verdict);
    for (Measurement& measurement : writer.take()) all.push_back(std::move(measurement));
  }
  return all;
}

}  // namespace longshore::cli::eval
