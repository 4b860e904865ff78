// `longshore eval`: whether an attention preset can be trusted, beside the dense run of the same model (docs/eval.md).
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/cluster_flags.h"
#include "cli/command.h"
#include "cli/embedded_cluster.h"
#include "cli/eval/evaluation.h"
#include "cli/eval/induction_prompt.h"
#include "cli/eval/measurements.h"
#include "cli/eval/page.h"
#include "cli/eval/table.h"
#include "cli/loaded_model.h"
#include "cli/measurement.h"
#include "cli/preset_flags.h"
#include "runtime/kernels/numerics_version.h"
#include "runtime/model/vocabulary.h"
#include "runtime/text/tokenizer.h"

namespace longshore::cli {
namespace {

struct EvalFlags {
  ClusterFlags cluster;
  std::vector<std::string> presets;
  std::vector<std::string> tasks = {"text"};
  std::uint32_t samples = 0;
  std::uint64_t seed = 1;
  std::string text;
  std::string chat_template;
  std::string json;
  std::string report;
  std::string resume;
  eval::VerdictRule rule;
};

// Where --samples does not say: windows, and five answers at each depth.
constexpr std::uint32_t kWindows = 8, kAnswers = 5 * eval::kDepths;

Result<std::vector<eval::EvaluatedPreset>> resolve(const std::vector<std::string>& names) {
  std::vector<eval::EvaluatedPreset> resolved;
  for (const std::string& name : names) {
    PresetFlags flags;
    flags.preset = name;
    const Result<Presets> presets = Presets::create(flags);
    if (!presets) return presets.error();
    for (const eval::EvaluatedPreset& other : resolved)
      if (other.name == name) return make_error(ErrorCode::kInvalidArgument, "--preset names ", name, " twice");
    resolved.push_back({name, presets->default_heads()});
  }
  return resolved;
}

Result<std::optional<std::string>> read_text(const std::string& path) {
  std::optional<std::string> text;
  if (path.empty()) return text;
  std::ifstream file(path, std::ios::binary);
  if (!file) return make_error(ErrorCode::kNotFound, "--text: cannot read ", path);
  text.emplace(text::kTextBytesMax + 1, '\0');
  file.read(text->data(), static_cast<std::streamsize>(text->size()));
  text->resize(static_cast<std::size_t>(file.gcount()));
  if (text->size() > text::kTextBytesMax)
    return make_error(ErrorCode::kInvalidArgument, "--text: ", path, " is larger than ", text::kTextBytesMax,
                      " bytes; give a part of it");
  return text;
}

// What was asked for, and everything that does not change while it runs.
struct Setting {
  const EvalFlags& flags;
  std::vector<eval::Task> tasks;
  std::vector<eval::EvaluatedPreset> presets;
  std::uint32_t context = 0;  // tokens of a sample
  std::string kv_type;
  std::optional<std::string> text;
};

eval::RunIdentity identity_of(const Setting& setting, const LoadedModel& model) {
  std::string presets, tasks;
  for (const eval::EvaluatedPreset& preset : setting.presets) {
    if (!presets.empty()) presets += "; ";
    presets += preset.name;
    presets += " = ";
    presets += to_text(preset.heads);
    presets += ' ';
    presets += decode_text(preset.heads);
  }
  for (const eval::Task task : setting.tasks) {
    if (!tasks.empty()) tasks += ',';
    tasks += to_string(task);
  }
  const std::string text =
      setting.text ? to_hex(sha256(std::as_bytes(std::span<const char>(*setting.text)))) : std::string("generated");
  const EvalFlags& flags = setting.flags;
  return {{"model", to_hex(model.file->sha256())},
          {"numerics", std::to_string(kernels::kNumericsVersion)},
          {"kv_type", setting.kv_type},
          {"presets", presets},
          {"tasks", tasks},
          {"context", std::to_string(setting.context)},
          {"seed", std::to_string(flags.seed)},
          {"text", text},
          {"chat_template", flags.chat_template}};
}

std::vector<eval::TaskSamples> samples_of(const Setting& setting, const eval::SampleSource& source) {
  std::vector<eval::TaskSamples> samples;
  for (const eval::Task task : setting.tasks) {
    std::uint32_t count = setting.flags.samples;
    if (count == 0) count = eval::has_answers(task) ? kAnswers : kWindows;
    if (task == eval::Task::kText && source.windows() && *source.windows() < count) {
      count = *source.windows();
      std::fprintf(stderr, "%s has %u windows of %u tokens: no more are run\n", setting.flags.text.c_str(), count,
                   setting.context);
    }
    samples.push_back({task, count});
  }
  return samples;
}

Result<eval::SampleSource> make_source(const Setting& setting, const LoadedModel& model) {
  eval::SampleOptions options;
  options.seed = setting.flags.seed;
  options.context = setting.context;
  options.text = setting.text;
  options.chat_template = setting.flags.chat_template;
  if (std::find(setting.tasks.begin(), setting.tasks.end(), eval::Task::kInduction) != setting.tasks.end()) {
    const Result<text::VocabularyData> vocabulary = model::read_vocabulary(*model.file);
    if (!vocabulary) return vocabulary.error();
    options.ordinary = eval::ordinary_tokens(*vocabulary, *model.tokenizer);
  }
  return eval::SampleSource::create(*model.tokenizer, std::move(options), setting.tasks);
}

Result<eval::SampleResults> evaluate(const Setting& setting, const LoadedModel& model, const ParsedClusterFlags& parsed,
                                     EmbeddedCluster& cluster, const Clock& clock) {
  const Result<eval::SampleSource> source = make_source(setting, model);
  if (!source) return source.error();
  std::unique_ptr<eval::Journal> journal;
  if (!setting.flags.resume.empty()) {
    Result<std::unique_ptr<eval::Journal>> opened =
        eval::Journal::open(setting.flags.resume, identity_of(setting, model), setting.presets.size());
    if (!opened) return opened.error();
    journal = std::move(*opened);
  }
  eval::SequenceSteps steps(cluster.compute());
  const std::uint32_t chunk = parsed.options.chunk_tokens;
  eval::TeacherForcing text(steps, *model.pool, setting.presets, chunk);
  eval::Answering answers(steps, *model.tokenizer, setting.presets, chunk);
  eval::Evaluation evaluation{*source, text, answers, journal.get(), clock};
  return evaluation.run(samples_of(setting, *source));
}

eval::EvaluationReport report_of(const Setting& setting, const LoadedModel& model, const eval::SampleResults& results) {
  eval::EvaluationReport report;
  report.model = model.name;
  report.context = setting.context;
  report.seed = setting.flags.seed;
  report.kv_type = setting.kv_type;
  report.text = setting.text ? setting.flags.text : std::string("generated");
  for (std::size_t p = 0; p < setting.presets.size(); ++p) {
    eval::PresetReport preset{setting.presets[p], eval::figures_of(results, setting.tasks, p), {}};
    preset.verdict = eval::judge(preset.tasks, setting.flags.rule);
    report.presets.push_back(std::move(preset));
  }
  return report;
}

Result<void> evaluate(const EvalFlags& flags) {
  Result<ParsedClusterFlags> parsed = parse(flags.cluster);
  if (!parsed) return parsed.error();
  Result<std::vector<eval::Task>> tasks = eval::parse_tasks(flags.tasks);
  if (!tasks) return tasks.error();
  Result<std::vector<eval::EvaluatedPreset>> presets = resolve(flags.presets);
  if (!presets) return presets.error();
  Result<std::optional<std::string>> text = read_text(flags.text);
  if (!text) return text.error();
  // The dense run and every preset of one window run side by side.
  parsed->options.max_sequences = static_cast<std::uint32_t>(1 + presets->size());
  const Result<LoadedModel> model = load_model(flags.cluster.model, flags.cluster.threads, parsed->isa);
  if (!model) return model.error();
  Metrics metrics;
  const SystemClock clock;
  Result<std::unique_ptr<EmbeddedCluster>> cluster = EmbeddedCluster::create(*model, parsed->options, metrics, clock);
  if (!cluster) return cluster.error();
  const Setting setting{flags,
                        std::move(*tasks),
                        std::move(*presets),
                        (*cluster)->context_tokens(),
                        std::string(to_string(parsed->options.kv_type)),
                        std::move(*text)};
  const Result<eval::SampleResults> results = evaluate(setting, *model, *parsed, **cluster, clock);
  if (!results) return results.error();
  const eval::EvaluationReport report = report_of(setting, *model, *results);
  std::fputs(eval::to_table(report).c_str(), stdout);
  if (!flags.json.empty())
    if (Result<void> written = write_json(flags.json, eval::to_measurements(report)); !written) return written;
  return flags.report.empty() ? Result<void>() : eval::write_page(flags.report, report);
}

}  // namespace

Run add_eval(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("eval", "Say whether attention presets can be trusted, beside the dense run");
  auto flags = std::make_shared<EvalFlags>();
  add_cluster_flags(*subcommand, flags->cluster);
  subcommand
      ->add_option("--preset", flags->presets,
                   "Attention to judge: NAME or FILE.toml, perhaps :PARAMETER=NUMBER,... (`longshore presets` lists them); "
                   "may be repeated")
      ->required()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  subcommand->add_option("--task", flags->tasks, "text, passkey, needle, kv or induction; several with commas")
      ->delimiter(',')
      ->capture_default_str();
  subcommand->add_option("--samples", flags->samples, "Samples of each task; 0: 8 windows of text, 55 questions")
      ->check(CLI::Range(0u, 1000000u))
      ->capture_default_str();
  subcommand->add_option("--seed", flags->seed, "Of everything that is generated")->capture_default_str();
  subcommand->add_option("--text", flags->text, "File with the text of task text; empty: generated prose");
  subcommand->add_option("--chat-template", flags->chat_template,
                         "Family of the chat template, where the file's is not recognised; none: plain text");
  subcommand->add_option("--kl-max", flags->rule.kl_max, "A preset is safe on text up to this mean KL, nats")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  subcommand->add_option("--top1-min", flags->rule.top1_min, "And from this share of rows with the same most probable token")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  subcommand->add_option("--json", flags->json, "File for the figures (docs/benchmarks.md)");
  subcommand->add_option("--report", flags->report, "File for a page with charts, HTML");
  subcommand->add_option("--resume", flags->resume,
                         "File in which finished samples are kept; where it exists, they are not run again");
  return [flags] {
    const Result<void> done = evaluate(*flags);
    return done ? 0 : fail(done.error());
  };
}

}  // namespace longshore::cli
