// `longshore compute`: a node with the weights, which runs a scheduler's steps.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "cli/admin_server.h"
#include "cli/cluster_flags.h"
#include "cli/command.h"
#include "cli/loaded_model.h"
#include "cli/node_flags.h"
#include "cli/signals.h"
#include "runtime/base/log.h"
#include "runtime/kernels/numerics_version.h"
#include "transport/ucx/ucx_transport.h"
#include "workers/agent/lease_keeper.h"
#include "workers/compute/compute_node.h"
#include "workers/compute/compute_server.h"
#include "workers/compute/decode_probe.h"

namespace longshore::cli {
namespace {

struct ComputeFlags {
  NodeFlags node;
  std::string model;
  std::string kv_memory = "1GiB";
};

// The parts of a node that knows what its scheduler serves. They end in reverse order.
struct ComputeParts {
  std::unique_ptr<kv::KvStore> store;
  std::unique_ptr<transport::Transport> to_attention, to_scheduler;
  std::unique_ptr<compute::ComputeNode> node;
  std::unique_ptr<compute::ComputeServer> server;
  NodeDescriptor measured;  // what it takes here, for the planner
};

wire::Hello hello_of(const ComputeFlags& flags, const LoadedModel& model, const kv::KvStore& store) {
  wire::Hello hello;
  hello.node = flags.node.name;
  hello.model = model.file->sha256();
  hello.numerics_version = kernels::kNumericsVersion;
  hello.kv_layout = std::string(to_string(store.layout().type));
  hello.block_bytes = store.layout().block_bytes();
  hello.layers = model.config().layers;
  hello.kv_heads = model.config().kv_heads;
  hello.head_dim = model.config().head_dim;
  return hello;
}

// What all lives of the process have in common.
struct ComputeProcess {
  const ComputeFlags& flags;
  const ListenAddress& listen;
  std::string admin;  // as others are told
  const LoadedModel& model;
  agent::LeaseKeeper& keeper;
  Metrics& metrics;
  const Clock& clock;
  std::atomic<bool>& registered;
};

Result<ComputeParts> make_parts(const ComputeProcess& process, const agent::ServedModel& served) {
  const ComputeFlags& flags = process.flags;
  const LoadedModel& model = process.model;
  ComputeParts parts;
  const Result<Dtype> kv_type = parse_kv_type(served.kv_type);
  if (!kv_type) return kv_type.error();
  const Result<std::uint64_t> bytes = parse_bytes("--kv-memory", flags.kv_memory);
  if (!bytes) return bytes.error();
  Result<std::unique_ptr<kv::KvStore>> store = kv::KvStore::create({*kv_type, model.config().head_dim}, *bytes);
  if (!store) return store.error();
  parts.store = std::move(*store);
  transport::UcxOptions ucx;
  ucx.tls = flags.node.ucx_tls;
  ucx.net_devices = process.listen.device;
  for (auto* transport : {&parts.to_attention, &parts.to_scheduler}) {
    Result<std::unique_ptr<transport::Transport>> made = transport::create_ucx_transport(ucx);
    if (!made) return made.error();
    *transport = std::move(*made);
  }
  compute::ComputeOptions options;
  options.rows_max = served.rows_max;
  options.reply_deadline = served.lease;
  options.name = flags.node.name;
  Result<std::unique_ptr<compute::ComputeNode>> node = compute::ComputeNode::create(
      *model.decoder, *parts.store, model.file->sha256(), parts.to_attention.get(), options, process.metrics,
      process.clock);
  if (!node) return node.error();
  parts.node = std::move(*node);
  parts.server = std::make_unique<compute::ComputeServer>(*parts.node, hello_of(flags, model, *parts.store),
                                                          *parts.to_scheduler, process.metrics,
                                                          [keeper = &process.keeper] { keeper->beat_now(); });
  return parts;
}

agent::Registration registration_of(const ComputeProcess& process, const ComputeParts& parts) {
  agent::Registration registration = registration_of(process.flags.node, NodeRole::kCompute);
  registration.node.address = parts.to_scheduler->address();
  registration.node.admin = process.admin;
  registration.node.memory_bytes = parts.store->memory().size();
  registration.node.read_bytes_per_second = parts.measured.read_bytes_per_second;
  registration.node.query_seconds = parts.measured.query_seconds;
  registration.node.step_seconds = parts.measured.step_seconds;
  registration.node.row_seconds = parts.measured.row_seconds;
  registration.node.cores = parts.measured.cores;
  registration.node.threads = parts.measured.threads;
  registration.model = process.model.file->sha256();
  return registration;
}

void print_ready(const agent::Registration& registration, const agent::Lease& lease) {
  std::printf("ready node=%u name=%s model=%s kv_memory_bytes=%llu lease=%.3gs admin=%s\n", lease.node.value,
              registration.node.name.c_str(), to_hex(registration.model).substr(0, 12).c_str(),
              static_cast<unsigned long long>(registration.node.memory_bytes),
              std::chrono::duration<double>(lease.length).count(), registration.node.admin.c_str());
  std::fflush(stdout);
}

// Registers again and again until the node is stopped or refused, or (kAborted) the scheduler serves something else.
Error hold_lease(const ComputeProcess& process, const agent::ServedModel& served, ComputeParts& parts,
                 PlanGeneration& seen) {
  agent::Registration registration = registration_of(process, parts);
  compute::ComputeServer& server = *parts.server;
  for (;;) {
    registration.generation_seen = seen;
    const Result<agent::Lease> lease = process.keeper.join(registration);
    if (!lease) return lease.error();
    process.registered = true;
    print_ready(registration, *lease);
    const auto state = [&server] {
      const compute::ComputeServer::Preparation now = server.preparation();
      return agent::NodeState{now.prepared, now.refused, now.unreachable, server.links()};
    };
    const auto on_orders = [&server](const agent::Orders& orders) { server.on_orders(orders.prepare, orders.attention); };
    const Error end = process.keeper.keep(*lease, {state, on_orders});
    process.registered = false;
    seen = std::max(seen, server.preparation().seen);
    if (end.code != ErrorCode::kAborted) return end;
    log::warn("{}: registering again", end.message);
    const Result<agent::ServedModel> now = process.keeper.model();
    if (!now) return now.error();
    if (*now != served) return make_error(ErrorCode::kAborted, "the scheduler serves with other options now");
  }
}

// What a decode step and attention take here, before there are any to serve.
Result<void> measure(const ComputeProcess& process, const agent::ServedModel& served, ComputeParts& parts) {
  const LoadedModel& model = process.model;
  const model::ModelConfig& config = model.config();
  if (Result<void> done = measure_attention(process.flags.node,
                                            attention::attention_kernels(model.decoder->kernels().isa),
                                            {parts.store->layout(), config.group(), {}, config.attention_softcap},
                                            config.kv_heads, *model.pool, parts.measured);
      !done)
    return done;
  const std::uint32_t leaves = parts.store->capacity() / (config.layers * config.kv_heads);
  const Result<compute::DecodeRate> decode =
      compute::decode_rate(*parts.node, std::min(leaves, served.rows_max), std::chrono::milliseconds(200));
  if (!decode) return decode.error();
  parts.measured.step_seconds = decode->step_seconds;
  parts.measured.row_seconds = decode->row_seconds;
  return {};
}

Result<void> serve_steps(const ComputeProcess& process) {
  PlanGeneration seen{0};
  for (;;) {
    const Result<agent::ServedModel> served = process.keeper.model();
    if (!served) return served.error();
    Result<ComputeParts> parts = make_parts(process, *served);
    if (!parts) return parts.error();
    if (Result<void> measured = measure(process, *served, *parts); !measured) return measured;
    std::thread serving([&parts] { parts->server->run(); });
    const Error end = hold_lease(process, *served, *parts, seen);
    parts->server->stop();
    serving.join();
    if (end.code != ErrorCode::kAborted) return end;
    log::warn("{}: beginning anew", end.message);
  }
}

Result<void> compute_steps(const ComputeFlags& flags) {
  block_signals();
  if (Result<void> checked = check(flags.node); !checked) return checked;
  const Result<ListenAddress> listen = parse(flags.node.listen);
  if (!listen) return listen.error();
  const Result<kernels::Isa> isa = kernels::parse_isa(flags.node.isa);
  if (!isa) return isa.error();
  Result<std::unique_ptr<agent::ControlClient>> client = agent::ControlClient::create(flags.node.scheduler);
  if (!client) return client.error();
  Result<LoadedModel> model = load_model(flags.model, flags.node.threads, *isa);
  if (!model) return model.error();

  SystemClock clock;
  Metrics metrics;
  agent::LeaseKeeper keeper(**client);
  std::atomic<bool> registered{false}, over{false};
  Result<std::unique_ptr<http::HttpServer>> admin =
      serve_admin(listen->host, flags.node.admin_port, model->name, metrics, clock,
                  [&registered] { return ready_if(registered); });
  if (!admin) return admin.error();
  const ComputeProcess process{flags,  *listen, listen->advertise((*admin)->port()), *model, keeper, metrics,
                               clock, registered};
  Result<void> outcome;
  std::thread agent([&] {
    outcome = serve_steps(process);
    over = true;
  });
  wait_for_signal([&over] { return over.load(); });
  keeper.stop();
  agent.join();
  (*admin)->stop(std::chrono::seconds(1));
  if (!outcome && outcome.error().code != ErrorCode::kCancelled) return outcome;
  return {};
}

}  // namespace

Run add_compute(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("compute", "Run a scheduler's steps: weights, new tokens' KV, sampling");
  auto flags = std::make_shared<ComputeFlags>();
  subcommand->add_option("MODEL", flags->model, "Path of a GGUF file, or a NAME that deploy/models/fetch knows")
      ->required();
  add_node_flags(*subcommand, flags->node, "compute");
  with_environment(subcommand->add_option("--kv-memory", flags->kv_memory, "Memory for KV, such as 8GiB"))
      ->capture_default_str();
  return [flags] {
    const Result<void> computed = compute_steps(*flags);
    return computed ? 0 : fail(computed.error());
  };
}

}  // namespace longshore::cli
