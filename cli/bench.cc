// `longshore bench`: throughput of prefill and decode at given depths and batch sizes.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/cluster_flags.h"
#include "cli/command.h"
#include "cli/embedded_cluster.h"
#include "cli/loaded_model.h"
#include "cli/measurement.h"
#include "cli/preset_flags.h"
#include "cli/roofline.h"
#include "cli/step_driver.h"
#include "runtime/plan/leaf.h"

namespace longshore::cli {
namespace {

struct BenchFlags {
  ClusterFlags cluster;
  std::uint32_t prompt = 512;
  std::uint32_t generate = 64;
  std::vector<std::uint32_t> depths = {0};
  std::vector<std::uint32_t> batches = {1};
  PresetFlags preset;
  std::string json;
  bool breakdown = false;
  bool roofline = false;
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

class Bench {
 public:
  Bench(const BenchFlags& flags, const HeadPlan& heads, const LoadedModel& model, const ParsedClusterFlags& parsed,
        EmbeddedCluster& cluster, std::optional<probe::LimitProbe> limits)
      : flags_(flags), heads_(heads), model_(model), parsed_(parsed), cluster_(cluster), limits_(std::move(limits)),
        runs_(cluster.compute(), parsed.options.chunk_tokens, heads) {}

  Result<void> run();
  const std::vector<Measurement>& measurements() const { return measurements_; }

 private:
  struct Point {
    std::uint32_t depth, batch;
  };

  Result<void> prefill(Point at);
  Result<void> decode(Point at);
  StepWork prefill_work(Point at) const;
  // One line of the table, and what --breakdown and --roofline add to it. `predicted`: seconds, of a decode step of dense
  // attention.
  void report(const char* name, Point at, std::uint32_t tokens, const std::vector<double>& steps, const StepWork& work,
              const probe::MachineLimits& limits, std::optional<double> predicted);
  void print_breakdown(const StepDriver::Account& account, const Measurement& of);
  StepWork work_of(std::uint32_t sequences, std::uint32_t position, std::uint32_t tokens, bool logits) const {
    return step_work(model_.config(), model_.decoder->weights(), cluster_.store().layout(), heads_, sequences, position,
                     tokens, logits);
  }
  probe::MachineLimits limits_now() { return limits_ ? limits_->measure() : probe::MachineLimits{}; }

  const BenchFlags& flags_;
  const HeadPlan& heads_;
  const LoadedModel& model_;
  const ParsedClusterFlags& parsed_;
  EmbeddedCluster& cluster_;
  std::optional<probe::LimitProbe> limits_;
  StepDriver runs_;
  std::vector<Measurement> measurements_;
};

// The mean of what was measured before and after.
probe::MachineLimits mean(const probe::MachineLimits& a, const probe::MachineLimits& b) {
  return {(a.read_bytes_per_second + b.read_bytes_per_second) / 2, (a.int8_per_second + b.int8_per_second) / 2,
          (a.f32_per_second + b.f32_per_second) / 2};
}

Result<void> Bench::run() {
  std::printf("%-10s %8s %8s %8s %10s %10s %13s %10s%s\n", "test", "depth", "batch", "tokens", "tok/s", "step ms",
              "predicted ms", "of it", limits_ ? "  limit tok/s   share" : "");
  for (std::uint32_t depth : flags_.depths)
    for (std::uint32_t batch : flags_.batches) {
      if (flags_.prompt > 0)
        if (Result<void> done = prefill({depth, batch}); !done) return done;
      if (flags_.generate > 0)
        if (Result<void> done = decode({depth, batch}); !done) return done;
    }
  return {};
}

Result<void> Bench::prefill(Point at) {
  runs_.start(at.batch, at.depth + flags_.prompt, at.depth + flags_.prompt);
  if (at.depth > 0)
    if (Result<std::vector<double>> filled = runs_.prefill(at.depth); !filled) return filled.error();
  const probe::MachineLimits before = limits_now();
  runs_.take_account();
  const Result<std::vector<double>> steps = runs_.prefill(flags_.prompt);
  if (!steps) return steps.error();
  report("prefill", at, flags_.prompt * at.batch, *steps, prefill_work(at), mean(before, limits_now()), std::nullopt);
  return runs_.finish();
}

StepWork Bench::prefill_work(Point at) const {
  StepWork work;
  for (std::uint32_t sequence = 0; sequence < at.batch; ++sequence)
    for (std::uint32_t done = 0; done < flags_.prompt;) {
      const std::uint32_t tokens = std::min(parsed_.options.chunk_tokens, flags_.prompt - done);
      work.add(work_of(1, at.depth + done, tokens, done + tokens == flags_.prompt));
      done += tokens;
    }
  return work;
}

// Decode starts at the depth itself, in sequences of their own.
Result<void> Bench::decode(Point at) {
  const std::uint32_t filled = std::max(1u, at.depth);
  runs_.start(at.batch, filled + flags_.generate, filled);
  if (Result<std::vector<double>> done = runs_.prefill(filled); !done) return done.error();
  if (Result<void> settled = runs_.await_holders(); !settled) return settled;
  const probe::MachineLimits before = limits_now();
  runs_.take_account();
  const Result<std::vector<double>> steps = runs_.decode(flags_.generate);
  if (!steps) return steps.error();
  const probe::MachineLimits limits = mean(before, limits_now());
  StepWork work;
  for (std::uint32_t t = 0; t < flags_.generate; ++t)
    work.add(work_of(at.batch, filled + t, 1, true));
  std::optional<double> predicted;  // the cost model knows dense attention
  if (heads_.sees_all() && !heads_.selection.selects()) predicted = cluster_.predict(filled + flags_.generate, at.batch).step_seconds;
  report("decode", at, flags_.generate * at.batch, *steps, work, limits, predicted);
  return runs_.finish();
}

void Bench::report(const char* name, Point at, std::uint32_t tokens, const std::vector<double>& steps, const StepWork& work,
                   const probe::MachineLimits& limits, std::optional<double> predicted) {
  const double rate = tokens / std::accumulate(steps.begin(), steps.end(), 0.0);
  Measurement measurement{name, rate, "tok/s", std::nullopt,
                          {{"model", model_.name}, {"isa", std::string(kernels::to_string(parsed_.isa))}, {"preset", flags_.preset.preset}},
                          {{"prompt", flags_.prompt},
                           {"generate", flags_.generate},
                           {"depth", at.depth},
                           {"batch", at.batch},
                           {"threads", model_.pool->threads()},
                           {"attention_nodes", parsed_.options.attention_nodes}}};
  std::printf("%-10s %8u %8u %8u %10.1f", name, at.depth, at.batch, tokens, rate);
  const double step = median(steps);
  std::printf(" %10.2f", 1e3 * step);
  if (predicted) std::printf(" %13.2f %10.2f", 1e3 * *predicted, step / *predicted);
  if (limits_) {
    measurement.limit = tokens / least_seconds(work, limits);
    measurement.parameters.emplace_back("read_gb_per_s", 1e-9 * limits.read_bytes_per_second);
    measurement.parameters.emplace_back("int8_gop_per_s", 1e-9 * limits.int8_per_second);
    measurement.parameters.emplace_back("f32_gflop_per_s", 1e-9 * limits.f32_per_second);
    std::printf("%*s %12.1f %7.2f", predicted ? 0 : 25, "", *measurement.limit, rate / *measurement.limit);
  }
  std::printf("\n");
  measurements_.push_back(measurement);
  if (predicted) {
    Measurement of_step = measurement;
    of_step.name = "decode_step";
    of_step.value = 1e3 * step;
    of_step.unit = "ms";
    of_step.limit.reset();
    of_step.parameters.emplace_back("predicted_ms", 1e3 * *predicted);
    measurements_.push_back(std::move(of_step));
  }
  if (flags_.breakdown) print_breakdown(runs_.take_account(), measurement);
  std::fflush(stdout);
}

void Bench::print_breakdown(const StepDriver::Account& account, const Measurement& of) {
  const auto line = [&](std::string_view stage, double seconds) {
    const double ms = 1e3 * seconds / account.steps;
    std::printf("  %-10s %10.3f ms a step %6.1f %%\n", std::string(stage).c_str(), ms, 100 * seconds / account.seconds);
    Measurement measurement = of;
    measurement.name = of.name + "_stage";
    measurement.value = ms;
    measurement.unit = "ms";
    measurement.limit.reset();
    measurement.text_parameters.emplace_back("stage", stage);
    measurements_.push_back(std::move(measurement));
  };
  for (std::size_t i = 0; i < model::kStages; ++i) {
    const auto stage = static_cast<model::Stage>(i);
    if (account.stages[stage] > 0) line(to_string(stage), account.stages[stage]);
  }
  line("unnamed", account.seconds - account.stages.sum());
}

// The limits of one core and of all threads, so that the shares below can be judged.
Result<std::optional<probe::LimitProbe>> probe_machine(const BenchFlags& flags, const LoadedModel& model, kernels::Isa isa) {
  std::optional<probe::LimitProbe> all;
  if (!flags.roofline) return all;
  const Result<std::unique_ptr<ThreadPool>> one = ThreadPool::create(1);
  if (!one) return one.error();
  const auto print = [](unsigned threads, const probe::MachineLimits& limits) {
    std::printf("%3u thread%s reads %6.1f GB/s, int8 %8.0f GOP/s, f32 %7.0f GFLOP/s\n", threads, threads == 1 ? "  " : "s ",
                1e-9 * limits.read_bytes_per_second, 1e-9 * limits.int8_per_second, 1e-9 * limits.f32_per_second);
  };
  Result<probe::LimitProbe> core = probe::LimitProbe::create(**one, isa);
  if (!core) return core.error();
  print(1, core->measure());
  Result<probe::LimitProbe> machine = probe::LimitProbe::create(*model.pool, isa);
  if (!machine) return machine.error();
  if (model.pool->threads() > 1) print(model.pool->threads(), machine->measure());
  all.emplace(std::move(*machine));
  return all;
}

Result<void> bench(const BenchFlags& flags) {
  const Result<Presets> presets = Presets::create(flags.preset);
  if (!presets) return presets.error();
  Result<ParsedClusterFlags> parsed = parse(flags.cluster);
  if (!parsed) return parsed.error();
  const std::uint32_t batch_max = *std::max_element(flags.batches.begin(), flags.batches.end());
  const std::uint32_t depth_max = *std::max_element(flags.depths.begin(), flags.depths.end());
  constexpr std::uint32_t kFewestTokens = 4 * kLeafTokens;  // that a store holds
  const std::uint32_t tokens_max = std::max(depth_max + flags.prompt + flags.generate, kFewestTokens);
  parsed->options.max_sequences = std::max(1u, batch_max);
  if (parsed->options.context_tokens == 0) parsed->options.context_tokens = tokens_max;
  const Result<LoadedModel> model = load_model(flags.cluster.model, flags.cluster.threads, parsed->isa);
  if (!model) return model.error();
  Result<std::optional<probe::LimitProbe>> limits = probe_machine(flags, *model, parsed->isa);
  if (!limits) return limits.error();
  Metrics metrics;
  const SystemClock clock;
  Result<std::unique_ptr<EmbeddedCluster>> cluster = EmbeddedCluster::create(*model, parsed->options, metrics, clock);
  if (!cluster) return cluster.error();
  Bench bench(flags, presets->default_heads(), *model, *parsed, **cluster, std::move(*limits));
  if (Result<void> done = bench.run(); !done) return done;
  return flags.json.empty() ? Result<void>() : write_json(flags.json, bench.measurements());
}

}  // namespace

Run add_bench(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("bench", "Measure prefill and decode throughput");
  auto flags = std::make_shared<BenchFlags>();
  add_cluster_flags(*subcommand, flags->cluster);
  add_preset_flag(*subcommand, flags->preset);
  subcommand->add_option("--prompt,-p", flags->prompt, "Tokens of the measured prefill; 0: none")->capture_default_str();
  subcommand->add_option("--generate,-n", flags->generate, "Tokens of the measured decode, each; 0: none")
      ->capture_default_str();
  subcommand->add_option("--depth,-d", flags->depths, "Tokens already in the context")->delimiter(',')->capture_default_str();
  subcommand->add_option("--batch,-b", flags->batches, "Sequences together")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  subcommand->add_flag("--breakdown", flags->breakdown, "Where the time of the steps goes, stage by stage");
  subcommand->add_flag("--roofline", flags->roofline,
                       "Measure the machine (read bandwidth, int8 and f32 peak) beside each figure, and print its share of "
                       "that limit");
  subcommand->add_option("--json", flags->json, "File for the figures (docs/benchmarks.md)");
  return [flags] {
    const Result<void> done = bench(*flags);
    return done ? 0 : fail(done.error());
  };
}

}  // namespace longshore::cli
