// `longshore scheduler`: the API and the step loop of a cluster whose nodes register at its control port.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/admin_server.h"
#include "cli/api_server.h"
#include "cli/cluster_flags.h"
#include "cli/command.h"
#include "cli/listen_flags.h"
#include "cli/loaded_model.h"
#include "cli/signals.h"
#include "runtime/kernels/numerics_version.h"
#include "scheduler/gateway/control_routes.h"
#include "scheduler/service/control_service.h"
#include "scheduler/service/remote_compute_link.h"
#include "transport/http/http_server.h"
#include "transport/ucx/ucx_transport.h"
#include "transport/wire/frame.h"

namespace longshore::cli {
namespace {

constexpr std::size_t kComputeNodesMax = 8;

struct SchedulerFlags {
  std::string model;
  ApiFlags api;
  ListenFlags listen;
  std::uint16_t admin_port = 0;
  std::uint16_t control_port = 8081;
  std::uint32_t context = 0;
  std::string kv_type = "f16";
  std::string shard = "auto";
  std::string ucx_tls;
  double lease_seconds = 5;
  std::uint32_t max_sequences = 16;
  std::uint32_t chunk_tokens = 512;
  BatchingFlags batching;
};

Result<service::ControlService::Options> control_options(const SchedulerFlags& flags, const ModelFile& model) {
  const Result<Dtype> kv_type = parse_kv_type(flags.kv_type);
  if (!kv_type) return kv_type.error();
  const Result<placement::ShardMode> shard = placement::parse_shard_mode(flags.shard);
  if (!shard) return shard.error();
  if (!(flags.lease_seconds >= 0.2 && flags.lease_seconds <= 600))
    return make_error(ErrorCode::kInvalidArgument, "--lease is ", flags.lease_seconds, "; it must be in [0.2, 600] s");
  const model::ModelConfig& config = model.config;
  if (flags.context > config.context_length)
    return make_error(ErrorCode::kInvalidArgument, "--context ", flags.context, " is beyond the ",
                      config.context_length, " tokens that ", model.name, " was trained for");
  const kv::KvLayout layout{*kv_type, config.head_dim};
  if (Result<void> valid = layout.validate(); !valid) return valid.error();

  service::ControlService::Options options;
  service::ServedModel& served = options.model;
  served.agreement = {model.file->sha256(), kernels::kNumericsVersion, wire::kWireVersion};
  served.name = model.name;
  served.layers = config.layers;
  served.kv_heads = config.kv_heads;
  served.group = config.group();
  served.head_dim = config.head_dim;
  served.softcap = config.attention_softcap;
  served.kv_type = std::string(to_string(*kv_type));
  served.context_tokens = flags.context == 0 ? config.context_length : flags.context;
  served.rows_max = std::max(flags.chunk_tokens, flags.max_sequences);
  served.leaf_bytes = std::uint64_t{config.layers} * config.kv_heads * layout.block_bytes();
  const auto lease = std::chrono::milliseconds(static_cast<std::int64_t>(flags.lease_seconds * 1000));
  served.lease = lease;
  options.cluster.detector = {lease / 2, lease};
  options.cluster.prepare_max = 3 * lease;  // a node that dies meanwhile is found out first
  options.shape = model_shape(config, layout, model.file->size());
  options.shard = *shard;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  options.first_epoch.value =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  return options;
}

wire::Hello hello_of(const service::ServedModel& model, std::uint64_t block_bytes) {
  wire::Hello hello;
  hello.node = "scheduler";
  hello.model = model.agreement.model;
  hello.numerics_version = model.agreement.numerics_version;
  hello.kv_layout = model.kv_type;
  hello.block_bytes = block_bytes;
  hello.layers = model.layers;
  hello.kv_heads = model.kv_heads;
  hello.head_dim = model.head_dim;
  return hello;
}

// Whether there is a plan and someone to compute by it.
Result<void> ready(const service::ControlService::View& view) {
  const bool computes = std::ranges::any_of(
      view.members, [](const NodeDescriptor& node) { return node.role == NodeRole::kCompute; });
  if (computes && view.generation.value > 0) return {};
  return make_error(ErrorCode::kUnavailable, computes ? "no plan is prepared yet" : "no compute node is registered");
}

Result<void> schedule(const SchedulerFlags& flags) {
  block_signals();
  const Result<ListenAddress> listen = parse(flags.listen);
  if (!listen) return listen.error();
  Result<ModelFile> model = open_model(flags.model);
  if (!model) return model.error();
  Result<service::ControlService::Options> control_of = control_options(flags, *model);
  if (!control_of) return control_of.error();
  const service::ServedModel served = control_of->model;
  const auto lease = std::chrono::duration_cast<std::chrono::milliseconds>(served.lease);

  SystemClock clock;
  Metrics metrics;
  const auto make_transport = [&flags, &listen] {
    transport::UcxOptions ucx;
    ucx.tls = flags.ucx_tls;
    ucx.net_devices = listen->device;
    return transport::create_ucx_transport(ucx);
  };
  std::vector<std::unique_ptr<service::RemoteComputeLink>> links;
  std::vector<service::RemoteComputeLink*> slots;
  const std::uint64_t block_bytes = served.leaf_bytes / served.layers / served.kv_heads;
  for (std::size_t slot = 0; slot < kComputeNodesMax; ++slot) {
    links.push_back(std::make_unique<service::RemoteComputeLink>(hello_of(served, block_bytes), make_transport, lease,
                                                                 metrics, clock));
    slots.push_back(links.back().get());
  }
  service::StepLoopOptions options;
  options.batcher.max_sequences = flags.max_sequences;
  options.batcher.chunk_tokens = served.rows_max;
  options.batcher.decode_share = flags.batching.decode_share;
  options.batcher.queue_sequences_max = flags.api.queue;
  options.batcher.context_tokens = served.context_tokens;
  options.batcher.vocabulary_tokens = model->config.vocabulary;
  options.batcher.prefix_cache = flags.batching.prefix_cache;
  options.batcher.prefixes_end_whole = model->config.has_windows();
  options.compute_gone_max = 2 * lease + std::chrono::seconds(5);  // a lease, and the time to start and register again
  Result<std::unique_ptr<service::StepLoop>> loop =
      service::StepLoop::create(options, {slots.begin(), slots.end()}, metrics, clock);
  if (!loop) return loop.error();

  service::ControlService control(std::move(*control_of), **loop, slots, clock);
  http::HttpServerOptions control_http;
  control_http.name = "control";
  control_http.host = listen->host;
  control_http.port = flags.control_port;
  Result<std::unique_ptr<http::HttpServer>> control_server =
      http::HttpServer::create(control_http, gateway::control_routes(control), metrics);
  if (!control_server) return control_server.error();

  Result<std::unique_ptr<http::HttpServer>> admin =
      serve_admin(listen->host, flags.admin_port, model->name, metrics, clock, [&control] { return ready(control.view()); });
  if (!admin) {
    (*control_server)->stop(std::chrono::seconds(1));
    return admin.error();
  }

  ApiParts parts{**loop, *model->tokenizer, model->name, model->file->sha256(), metrics, clock, {}};
  const Result<void> served_api = run_api(flags.api, std::move(parts), [&](std::uint16_t port, const std::string& name) {
    std::printf("ready http://%s:%u control=%s model=%s context=%u lease=%.3gs admin=%s\n", flags.api.host.c_str(), port,
                listen->advertise((*control_server)->port()).c_str(), name.c_str(), served.context_tokens,
                flags.lease_seconds, listen->advertise((*admin)->port()).c_str());
    std::fflush(stdout);
  });
  (*control_server)->stop(std::chrono::seconds(1));
  (*admin)->stop(std::chrono::seconds(1));
  return served_api;
}

}  // namespace

Run add_scheduler(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("scheduler", "Serve the API for compute and attention nodes that register here");
  auto flags = std::make_shared<SchedulerFlags>();
  subcommand->add_option("MODEL", flags->model, "Path of a GGUF file, or a NAME that deploy/models/fetch knows")
      ->required();
  add_api_flags(*subcommand, flags->api);
  const auto add = [&](const std::string& spellings, auto& value, const std::string& text) {
    with_environment(subcommand->add_option(spellings, value, text))->capture_default_str();
  };
  add_listen_flags(*subcommand, flags->listen);
  add("--control-port", flags->control_port, "Port that nodes register at; 0: any free one");
  add("--admin-port", flags->admin_port, "Port for /livez /readyz /metrics /version; 0: any free one");
  add("--context,--max-model-len,--ctx-size", flags->context,
      "Tokens of one sequence, prompt and answer; 0: what the model was trained for");
  add("--kv-type,--kv-cache-dtype", flags->kv_type, "How K and V are stored on all nodes: f32, f16, bf16 or q8_0");
  add("--shard", flags->shard, "How KV is cut over attention nodes: auto, heads or context");
  add("--ucx-tls", flags->ucx_tls, "UCX transports to allow, such as tcp; empty: UCX's choice");
  add("--lease", flags->lease_seconds, "Seconds that a silent node is waited for before it is given up");
  add("--max-sequences,--max-num-seqs", flags->max_sequences, "Sequences computed together, per compute node");
  add("--chunk-tokens,--max-num-batched-tokens", flags->chunk_tokens, "Tokens of one step, prefill and decode together");
  add_batching_flags(*subcommand, flags->batching);
  return [flags] {
    const Result<void> served = schedule(*flags);
    return served ? 0 : fail(served.error());
  };
}

}  // namespace longshore::cli
