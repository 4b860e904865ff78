#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/embedded_cluster.h"
#include "runtime/base/result.h"
#include "runtime/kernels/isa.h"

namespace longshore::cli {

// How steps are filled; defaults of serve and scheduler alike.
struct BatchingFlags {
  double decode_share = 0.5;
  bool prefix_cache = true;
};

// The flags that every command with a cluster in its process takes. Each has an environment variable LONGSHORE_<NAME>
// and may stand in a TOML file given with --config; vLLM's and llama.cpp's spellings are aliases.
struct ClusterFlags {
  std::string model;
  std::uint32_t context = 0;
  std::string kv_type = "f16";
  std::string kv_memory;
  std::uint32_t attention_nodes = 0;
  std::string shard = "auto";
  std::vector<std::string> read_bandwidths;
  std::string transport = "inproc";
  std::string ucx_tls;
  std::uint32_t threads = 0;
  std::string isa = "auto";
  std::uint32_t max_sequences = 16;
  std::uint32_t chunk_tokens = 512;
  BatchingFlags batching;
};

void add_cluster_flags(CLI::App& app, ClusterFlags& flags);
void add_batching_flags(CLI::App& app, BatchingFlags& flags);

struct ParsedClusterFlags {
  ClusterOptions options;
  kernels::Isa isa;
};
// Errors: kInvalidArgument naming the flag, its value and what is legal.
Result<ParsedClusterFlags> parse(const ClusterFlags& flags);

// "8GiB", "500MB", "1073741824". Errors: kInvalidArgument naming the flag.
Result<std::uint64_t> parse_bytes(const std::string& flag, const std::string& text);
// Bytes a second, likewise, from 1 MB to 1 PB. Errors: kInvalidArgument naming the flag.
Result<double> parse_bandwidth(const std::string& flag, const std::string& text);
// "f32", "f16", "bf16", "q8_0" and vLLM's "auto".
Result<Dtype> parse_kv_type(const std::string& text);

// Adds --name and gives it the environment variable LONGSHORE_NAME. `spellings` as CLI11 takes them, ours first.
CLI::Option* with_environment(CLI::Option* option);

}  // namespace longshore::cli
