#include "cli/node_flags.h"

#include <unistd.h>

#include <array>
#include <chrono>

#include "cli/cluster_flags.h"
#include "runtime/kernels/numerics_version.h"
#include "transport/wire/frame.h"
#include "workers/probe/attention_rate.h"
#include "workers/probe/cores.h"

namespace longshore::cli {

void add_node_flags(CLI::App& app, NodeFlags& flags, const std::string& role) {
  const auto add = [&](const std::string& spellings, auto& value, const std::string& text) {
    with_environment(app.add_option(spellings, value, text))->capture_default_str();
  };
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  flags.name = role + "-" + host.data() + "-" + std::to_string(getpid());
  add("--scheduler", flags.scheduler, "HOST:PORT of the scheduler's control port");
  add("--name", flags.name, "Name of this node, for people and metrics");
  add("--threads,-t", flags.threads, "Compute threads; 0: one for each CPU");
  add("--isa", flags.isa, "Instruction set of the kernels: auto, avx512, avx2 or portable");
  add("--read-bandwidth", flags.read_bandwidth, "Bytes a second read from memory, such as 20GB; empty: measured");
  add("--ucx-tls", flags.ucx_tls, "UCX transports to allow, such as tcp; empty: UCX's choice");
  add_listen_flags(app, flags.listen);
  add("--admin-port", flags.admin_port, "Port for /livez /readyz /metrics /version; 0: any free one");
}

agent::Registration registration_of(const NodeFlags& flags, NodeRole role) {
  agent::Registration registration;
  registration.node.role = role;
  registration.node.name = flags.name;
  registration.numerics_version = kernels::kNumericsVersion;
  registration.wire_version = wire::kWireVersion;
  return registration;
}

Result<void> check(const NodeFlags& flags) {
  if (flags.read_bandwidth.empty()) return {};
  const Result<double> given = parse_bandwidth("--read-bandwidth", flags.read_bandwidth);
  return given ? Result<void>() : given.error();
}

Result<void> measure_attention(const NodeFlags& flags, const attention::AttentionKernels& kernels,
                               const attention::AttendShape& shape, std::uint32_t kv_heads, ThreadPool& pool,
                               NodeDescriptor& node) {
  const Result<probe::AttentionRate> rate =
      probe::attention_rate(kernels, shape, kv_heads, pool, std::chrono::milliseconds(100));
  if (!rate) return rate.error();
  node.read_bytes_per_second = rate->bytes_per_second;
  node.query_seconds = rate->query_seconds;
  node.cores = probe::cores_of_process();
  node.threads = pool.threads();
  if (flags.read_bandwidth.empty()) return {};
  const Result<double> given = parse_bandwidth("--read-bandwidth", flags.read_bandwidth);
  if (!given) return given.error();
  node.read_bytes_per_second = *given;
  return {};
}

Result<void> ready_if(bool registered) {
  if (registered) return {};
  return make_error(ErrorCode::kUnavailable, "the node is not registered at a scheduler");
}

}  // namespace longshore::cli
