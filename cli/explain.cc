// `longshore explain`: how a cluster, made up or running, holds and reads a model's KV, and why.
#include <charconv>
#include <chrono>
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
#include "scheduler/gateway/explanation_json.h"
#include "transport/http/http_client.h"

namespace longshore::cli {
namespace {

struct ExplainFlags {
  std::string model;
  std::string cluster;    // a file, or
  std::string scheduler;  // HOST:PORT of a control port, or
  std::string server;     // HOST:PORT of a `serve`
  std::string kv_type = "f16";
  std::string shard = "auto";
  std::uint64_t context = 0;
  std::uint32_t sequences = 1;
  std::string json;
};

Result<placement::Explanation> explain_file(const ExplainFlags& flags) {
  if (flags.model.empty())
    return make_error(ErrorCode::kInvalidArgument, "--cluster needs a MODEL to plan for; a running cluster has its own");
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
  Result<placement::PlanReport> report = placement::make_plan(input);
  if (!report) return report.error();
  return placement::Explanation{flags.model, flags.kv_type, input.workload, std::move(input.nodes), std::move(*report)};
}

Result<placement::Explanation> ask(const std::string& flag, const std::string& target) {
  http::HttpClientOptions options;
  const std::size_t colon = target.rfind(':');
  const char* const end = target.data() + target.size();
  options.port = 0;
  if (colon != std::string::npos) {
    const auto [rest, status] = std::from_chars(target.data() + colon + 1, end, options.port);
    if (status != std::errc() || rest != end) options.port = 0;
  }
  if (options.port == 0 || colon == 0)
    return make_error(ErrorCode::kInvalidArgument, flag, " is '", target, "'; write HOST:PORT");
  options.host = target.substr(0, colon);
  options.read_timeout = std::chrono::seconds(10);
  http::HttpClient client(options);
  http::Request request;
  request.method = "GET";
  request.path = "/explain";
  const Result<http::Response> response = client.fetch(request);
  if (!response) return response.error();
  if (response->status == 404)
    return make_error(ErrorCode::kNotFound, target, " knows no /explain; ", flag == "--scheduler"
                          ? "--scheduler takes the scheduler's --control-port, --server the port of a `serve`"
                          : "--server takes the port of a `serve`; for a scheduler use --scheduler and its --control-port");
  if (response->status != 200)
    return make_error(response->status == 503 ? ErrorCode::kUnavailable : ErrorCode::kInternal, target, " answered ",
                      response->status, ": ", response->body.substr(0, 400));
  return gateway::parse_explanation(response->body);
}

std::vector<Measurement> figures_of(const placement::Explanation& explanation) {
  std::vector<Measurement> figures;
  const placement::PlanOption& chosen = explanation.report.chosen;
  for (const placement::NodeCost& node : chosen.cost.nodes)
    figures.push_back({"predicted_step",
                       1e3 * node.step_seconds,
                       "ms",
                       std::nullopt,
                       {{"node", node.name}, {"model", explanation.model}, {"plan", chosen.name}},
                       {{"generation", static_cast<double>(chosen.plan.generation.value)},
                        {"share", node.share},
                        {"bytes_held", static_cast<double>(node.bytes_held)},
                        {"bytes_read", static_cast<double>(node.bytes_read)},
                        {"bytes_sent", static_cast<double>(node.bytes_sent)},
                        {"tokens_lost", static_cast<double>(node.tokens_lost)},
                        {"whole_step_ms", 1e3 * chosen.cost.step_seconds}}});
  for (const placement::IdleNode& idle : explanation.report.idle)
    figures.push_back({"predicted_step",
                       0,
                       "ms",
                       std::nullopt,
                       {{"node", idle.name}, {"model", explanation.model}, {"plan", chosen.name}, {"idle", idle.why}},
                       {{"share", 0}}});
  return figures;
}

Result<void> explain(const ExplainFlags& flags) {
  const Result<placement::Explanation> explanation = !flags.scheduler.empty() ? ask("--scheduler", flags.scheduler)
                                                     : !flags.server.empty()  ? ask("--server", flags.server)
                                                                              : explain_file(flags);
  if (!explanation) return explanation.error();
  std::printf("%s", placement::render(*explanation).c_str());
  return flags.json.empty() ? Result<void>() : write_json(flags.json, figures_of(*explanation));
}

}  // namespace

Run add_explain(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("explain", "Explain a plan: who holds what, predicted times, cost of losses, and why");
  auto flags = std::make_shared<ExplainFlags>();
  subcommand->add_option("MODEL", flags->model,
                         "With --cluster: path of a GGUF file, or a NAME that deploy/models/fetch knows");
  CLI::Option_group* source = subcommand->add_option_group("cluster", "Which cluster");
  source->add_option("--cluster", flags->cluster, "A made-up one: TOML file with the nodes (cli/cluster_file.h says how)");
  source->add_option("--scheduler", flags->scheduler, "A running one: HOST:PORT of the scheduler's control port");
  source->add_option("--server", flags->server, "HOST:PORT of a running `longshore serve`");
  source->require_option(1);
  subcommand->add_option("--context", flags->context, "With --cluster: tokens of each sequence; 0: as the model was trained")
      ->capture_default_str();
  subcommand->add_option("--sequences", flags->sequences, "With --cluster: sequences decoded together")
      ->capture_default_str();
  subcommand->add_option("--kv-type", flags->kv_type, "With --cluster: f32, f16, bf16 or q8_0")->capture_default_str();
  subcommand->add_option("--shard", flags->shard, "With --cluster: auto, heads or context")->capture_default_str();
  subcommand->add_option("--json", flags->json, "File for the figures (docs/benchmarks.md)");
  return [flags] {
    const Result<void> done = explain(*flags);
    return done ? 0 : fail(done.error());
  };
}

}  // namespace longshore::cli
