// `longshore attention`: a node that holds KV and attends over it.
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "cli/admin_server.h"
#include "cli/cluster_flags.h"
#include "cli/command.h"
#include "cli/loaded_model.h"
#include "cli/node_flags.h"
#include "cli/numa_binding.h"
#include "cli/signals.h"
#include "runtime/base/log.h"
#include "runtime/kernels/numerics_version.h"
#include "transport/ucx/ucx_transport.h"
#include "transport/wire/frame.h"
#include "workers/agent/lease_keeper.h"
#include "workers/attention/attention_node.h"

namespace longshore::cli {
namespace {

struct AttentionFlags {
  NodeFlags node;
  std::string memory = "1GiB";
  std::int32_t numa = -1;
};

// What all lives of the node have in common.
struct AttentionParts {
  const AttentionFlags& flags;
  const ListenAddress& listen;
  std::string admin;  // as others are told
  agent::LeaseKeeper& keeper;
  kernels::Isa isa;
  ThreadPool& pool;
  kv::KvStore& store;
  attention_node::ServedModel served;
  NodeDescriptor measured;
  Metrics& metrics;
  std::atomic<bool>& registered;
};

// From one registration to the end of its lease; everything that was held ends with it, and so does its address.
Error live(const AttentionParts& parts, PlanGeneration& seen) {
  transport::UcxOptions ucx;
  ucx.tls = parts.flags.node.ucx_tls;
  ucx.net_devices = parts.listen.device;
  Result<std::unique_ptr<transport::Transport>> transport = transport::create_ucx_transport(ucx);
  if (!transport) return transport.error();
  agent::Registration registration = registration_of(parts.flags.node, NodeRole::kAttention);
  registration.node.address = (*transport)->address();
  const NodeDescriptor& measured = parts.measured;
  registration.node.admin = parts.admin;
  registration.node.memory_bytes = parts.store.memory().size();
  registration.node.read_bytes_per_second = measured.read_bytes_per_second;
  registration.node.query_seconds = measured.query_seconds;
  registration.node.cores = measured.cores;
  registration.node.threads = measured.threads;
  registration.model = parts.served.model;
  registration.generation_seen = seen;
  const Result<agent::Lease> lease = parts.keeper.join(registration);
  if (!lease) return lease.error();
  attention_node::AttentionNode node(registration.node.name, lease->node, parts.served, parts.isa, parts.pool,
                                     parts.store, **transport, parts.metrics);
  std::thread serving([&node] { node.run(); });
  parts.registered = true;
  std::printf("ready node=%u name=%s memory_bytes=%llu read_bytes_per_second=%.3g lease=%.3gs admin=%s\n",
              lease->node.value, registration.node.name.c_str(),
              static_cast<unsigned long long>(registration.node.memory_bytes), measured.read_bytes_per_second,
              std::chrono::duration<double>(lease->length).count(), parts.admin.c_str());
  std::fflush(stdout);
  // A plan asks nothing of this node beforehand: blocks and queries name what they need.
  const Error end = parts.keeper.keep(*lease, {[&seen] { return agent::NodeState{seen, std::nullopt, {}, {}}; },
                                               [&](const agent::Orders& orders) {
                                                 if (!orders.prepare) return;
                                                 seen = orders.prepare->generation;
                                                 parts.keeper.beat_now();
                                               }});
  parts.registered = false;
  node.stop();
  serving.join();
  return end;
}

// A store for blocks of this model: the one that there is, if it has their layout.
Result<void> fit_store(const agent::ServedModel& model, std::uint64_t bytes, std::unique_ptr<kv::KvStore>& store) {
  const Result<Dtype> kv_type = parse_kv_type(model.kv_type);
  if (!kv_type) return kv_type.error();
  const kv::KvLayout layout{*kv_type, model.head_dim};
  if (store && store->layout().type == layout.type && store->layout().d == layout.d) return {};
  store.reset();
  Result<std::unique_ptr<kv::KvStore>> made = kv::KvStore::create(layout, bytes);
  if (!made) return made.error();
  store = std::move(*made);
  return {};
}

Result<void> attend(const AttentionFlags& flags) {
  block_signals();
  if (flags.numa >= 0)
    if (Result<void> bound = bind_to_numa_node(static_cast<std::uint32_t>(flags.numa)); !bound) return bound;
  if (Result<void> checked = check(flags.node); !checked) return checked;
  const Result<ListenAddress> listen = parse(flags.node.listen);
  if (!listen) return listen.error();
  const Result<std::uint64_t> bytes = parse_bytes("--memory", flags.memory);
  if (!bytes) return bytes.error();
  const Result<kernels::Isa> isa = kernels::parse_isa(flags.node.isa);
  if (!isa) return isa.error();
  Result<std::unique_ptr<ThreadPool>> pool =
      ThreadPool::create(flags.node.threads == 0 ? default_threads() : flags.node.threads);
  if (!pool) return pool.error();
  Result<std::unique_ptr<agent::ControlClient>> client = agent::ControlClient::create(flags.node.scheduler);
  if (!client) return client.error();

  SystemClock clock;
  Metrics metrics;
  agent::LeaseKeeper keeper(**client);
  std::atomic<bool> registered{false}, over{false};
  Result<std::unique_ptr<http::HttpServer>> admin =
      serve_admin(listen->host, flags.node.admin_port, "", metrics, clock, [&registered] { return ready_if(registered); });
  if (!admin) return admin.error();
  const std::string admin_at = listen->advertise((*admin)->port());
  Result<void> outcome;
  std::thread agent([&] {
    outcome = [&]() -> Result<void> {
      std::unique_ptr<kv::KvStore> store;
      NodeDescriptor measured;
      PlanGeneration seen{0};
      for (;;) {  // a scheduler that was restarted may serve something else
        const Result<agent::ServedModel> model = keeper.model();
        if (!model) return model.error();
        const kv::KvStore* const before = store.get();
        if (Result<void> fits = fit_store(*model, *bytes, store); !fits) return fits;
        const attention_node::ServedModel served{model->model, model->layers,   model->kv_heads,
                                                 model->group, model->head_dim, model->softcap};
        if (store.get() != before)
          if (Result<void> done = measure_attention(flags.node, attention::attention_kernels(*isa),
                                                    {store->layout(), model->group, {}, model->softcap},
                                                    model->kv_heads, **pool, measured);
              !done)
            return done;
        const Error end =
            live({flags, *listen, admin_at, keeper, *isa, **pool, *store, served, measured, metrics, registered}, seen);
        if (end.code != ErrorCode::kAborted) return end;
        log::warn("{}: all that was held is dropped; registering again", end.message);
      }
    }();
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

Run add_attention(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("attention", "Hold KV for a scheduler's sequences and attend over it");
  auto flags = std::make_shared<AttentionFlags>();
  add_node_flags(*subcommand, flags->node, "attention");
  with_environment(subcommand->add_option("--memory", flags->memory, "Memory for KV, such as 8GiB"))
      ->capture_default_str();
  with_environment(subcommand->add_option("--numa", flags->numa, "NUMA node to bind threads and memory to; -1: none"))
      ->capture_default_str()
      ->check(CLI::Range(-1, 1023));
  return [flags] {
    const Result<void> attended = attend(*flags);
    return attended ? 0 : fail(attended.error());
  };
}

}  // namespace longshore::cli
