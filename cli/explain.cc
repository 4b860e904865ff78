// `longshore explain`: how a cluster would hold and read a model's KV, and why.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/cluster_file.h"
#include "cli/cluster_flags.h"
#include "cli/command.h"
#include "cli/embedded_cluster.h"
#include "cli/measurement.h"
#include "cli/model_path.h"
#include "runtime/model/gguf.h"
#include "runtime/model/model_config.h"

namespace longshore::cli {
namespace {

struct ExplainFlags {
  std::string model;
  std::string cluster;
  std::string kv_type = "f16";
  std::string shard = "auto";
  std::uint64_t context = 0;
  std::uint32_t sequences = 1;
  std::string json;
};

Result<void> explain(const ExplainFlags& flags) {
  const Result<std::string> path = find_model(flags.model);
  if (!path) return path.error();
  const Result<std::unique_ptr<model::GgufFile>> file = model::GgufFile::open(*path);
  if (!file) return file.error();
  const Result<model::ModelConfig> config = model::parse_model_config(**file);
  if (!config) return config.error();
  const Result<Dtype> kv_type = parse_kv_type(flags.kv_type);
  if (!kv_type) return kv_type.error();
  const Result<placement::ShardMode> shard = placement::parse_shard_mode(flags.shard);
  if (!shard) return shard.error();
  Result<std::vector<NodeDescriptor>> nodes = read_cluster_file(flags.cluster);
  if (!nodes) return nodes.error();

  placement::PlannerInput input;
  input.model = model_shape(*config, {*kv_type, config->head_dim}, (*file)->size());
  input.workload.context_tokens = flags.context == 0 ? config->context_length : flags.context;
  input.workload.sequences = flags.sequences;
  input.mode = *shard;
  input.generation = PlanGeneration{1};
  input.nodes = std::move(*nodes);
  const Result<placement::PlanReport> report = placement::make_plan(input);
  if (!report) return report.error();
  std::printf("%u sequence%s of %llu tokens, %s KV\n%s", flags.sequences, flags.sequences == 1 ? "" : "s",
              static_cast<unsigned long long>(input.workload.context_tokens), flags.kv_type.c_str(),
              placement::render(*report).c_str());
  if (flags.json.empty()) return {};
  std::vector<Measurement> figures;
  for (const placement::NodeCost& node : report->chosen.cost.nodes)
    figures.push_back({"predicted_step",
                       1e3 * node.step_seconds,
                       "ms",
                       std::nullopt,
                       {{"node", node.name}, {"model", flags.model}, {"plan", report->chosen.name}},
                       {{"share", node.share},
                        {"bytes_held", static_cast<double>(node.bytes_held)},
                        {"bytes_read", static_cast<double>(node.bytes_read)},
                        {"bytes_sent", static_cast<double>(node.bytes_sent)},
                        {"tokens_lost", static_cast<double>(node.tokens_lost)}}});
  return write_json(flags.json, figures);
}

}  // namespace

Run add_explain(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("explain", "Plan a cluster: who holds what, predicted times, cost of losses, and why");
  auto flags = std::make_shared<ExplainFlags>();
  subcommand->add_option("MODEL", flags->model, "Path of a GGUF file, or a NAME that deploy/models/fetch knows")->required();
  subcommand->add_option("--cluster", flags->cluster, "TOML file with the nodes (cli/cluster_file.h says how)")->required();
  subcommand->add_option("--context", flags->context, "Tokens of each sequence; 0: what the model was trained for")
      ->capture_default_str();
  subcommand->add_option("--sequences", flags->sequences, "Sequences decoded together")->capture_default_str();
  subcommand->add_option("--kv-type", flags->kv_type, "f32, f16, bf16 or q8_0")->capture_default_str();
  subcommand->add_option("--shard", flags->shard, "auto, heads or context")->capture_default_str();
  subcommand->add_option("--json", flags->json, "File for the figures (docs/benchmarks.md)");
  return [flags] {
    const Result<void> done = explain(*flags);
    return done ? 0 : fail(done.error());
  };
}

}  // namespace longshore::cli
