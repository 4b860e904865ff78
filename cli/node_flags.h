#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "cli/listen_flags.h"
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
// Bytes a second, as given or measured now. Errors: kInvalidArgument naming the flag.
Result<double> read_bandwidth_of(const NodeFlags& flags, ThreadPool& pool);
// What /readyz of a node answers.
Result<void> ready_if(bool registered);

}  // namespace longshore::cli
