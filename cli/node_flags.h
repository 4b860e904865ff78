#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "cli/listen_flags.h"
#include "runtime/attention/attend.h"
#include "runtime/base/result.h"
#include "runtime/base/thread_pool.h"
#include "workers/agent/control_client.h"

namespace longshore::cli {

// The flags of a process that is one node of a scheduler's cluster.
struct NodeFlags {
  std::string scheduler = "127.0.0.1:8081";
  std::string name;  // empty: the role, host and process
  std::uint32_t threads = 0;
  std::string isa = "auto";
  std::string read_bandwidth;  // empty: measured
  std::string ucx_tls;
  ListenFlags listen;
  std::uint16_t admin_port = 0;
};
void add_node_flags(CLI::App& app, NodeFlags& flags, const std::string& role);

// With name, role and versions filled in.
agent::Registration registration_of(const NodeFlags& flags, NodeRole role);
// What can be refused before anything is loaded. Errors: kInvalidArgument naming the flag.
Result<void> check(const NodeFlags& flags);

// Fills in what attention costs on this node's threads and cores, as measured now or given. Errors: kInvalidArgument naming
// the flag; those of probe::attention_rate.
Result<void> measure_attention(const NodeFlags& flags, const attention::AttentionKernels& kernels,
                               const attention::AttendShape& shape, std::uint32_t kv_heads, ThreadPool& pool,
                               NodeDescriptor& node);
// What /readyz of a node answers.
Result<void> ready_if(bool registered);

}  // namespace longshore::cli
