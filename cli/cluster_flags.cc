#include "cli/cluster_flags.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>
#include <utility>

namespace longshore::cli {

CLI::Option* with_environment(CLI::Option* option) {
  std::string name = "LONGSHORE_" + option->get_lnames().front();
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return option->envname(name);
}

void add_cluster_flags(CLI::App& app, ClusterFlags& flags) {
  app.add_option("MODEL", flags.model, "Path of a GGUF file, or a NAME that deploy/models/fetch knows")->required();
  const auto add = [&](const std::string& spellings, auto& value, const std::string& text) {
    return with_environment(app.add_option(spellings, value, text))->capture_default_str();
  };
  add("--context,--max-model-len,--ctx-size", flags.context,
      "Tokens of one sequence, prompt and answer; 0: what the model was trained for");
  add("--kv-type,--kv-cache-dtype", flags.kv_type, "How K and V are stored: f32, f16, bf16 or q8_0");
  add("--kv-memory", flags.kv_memory,
      "Memory for KV, such as 8GiB; empty: enough for --max-sequences, at most half of what is free");
  add("--attention-nodes", flags.attention_nodes, "Attention nodes in this process that hold the KV cache");
  with_environment(app.add_option("--read-bandwidth", flags.read_bandwidths,
                                  "Bytes a second of KV that attention nodes read, such as 20GB: one for all, or one for each "
                                  "in turn (20GB,10GB); empty: measured"))
      ->delimiter(',');
  add("--shard", flags.shard, "How KV is cut over attention nodes: auto, heads or context");
  add("--transport", flags.transport, "How nodes of this process talk: inproc (shared memory, nothing copied) or ucx");
  add("--ucx-tls", flags.ucx_tls, "UCX transports to allow, such as tcp; empty: UCX's choice");
  add("--threads,-t", flags.threads, "Compute threads; 0: one for each CPU");
  add("--isa", flags.isa, "Instruction set of the kernels: auto, avx512, avx2 or portable");
  add("--max-sequences,--max-num-seqs", flags.max_sequences, "Sequences computed together");
  add("--chunk-tokens,--max-num-batched-tokens", flags.chunk_tokens, "Tokens of one step, prefill and decode together");
  add_batching_flags(app, flags.batching);
}

void add_batching_flags(CLI::App& app, BatchingFlags& flags) {
  with_environment(app.add_option("--decode-share", flags.decode_share,
                                  "Share of their rate that running sequences keep while prompts are computed; 0: prompts "
                                  "take what they can"))
      ->check(CLI::Range(0.0, 0.95))
      ->capture_default_str();
  with_environment(app.add_flag("--prefix-cache,--enable-prefix-caching,!--no-prefix-cache,!--no-enable-prefix-caching",
                                flags.prefix_cache,
                                "Keep the KV of ended sequences for those that begin with the same tokens, while nobody "
                                "needs its room"))
      ->default_str("true");
}

Result<std::uint64_t> parse_bytes(const std::string& flag, const std::string& text) {
  std::uint64_t number = 0;
  const auto [rest, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {
      {"", 1},          {"B", 1},          {"KB", 1000},     {"MB", 1000000},   {"GB", 1000000000},
      {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", std::uint64_t{1} << 40}};
  const auto* found =
      std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& known) { return known.first == unit; });
  if (status != std::errc() || found == std::end(kUnits) || number > UINT64_MAX / found->second)
    return make_error(ErrorCode::kInvalidArgument, flag, " is '", text, "'; write a number of bytes such as 8GiB or 500MB");
  return number * found->second;
}

Result<double> parse_bandwidth(const std::string& flag, const std::string& text) {
  const Result<std::uint64_t> bytes = parse_bytes(flag, text);
  if (!bytes) return bytes.error();
  constexpr std::uint64_t kMin = 1'000'000, kMax = 1'000'000'000'000'000;  // what no memory is slower or faster than
  if (*bytes < kMin || *bytes > kMax)
    return make_error(ErrorCode::kInvalidArgument, flag, " is ", *bytes, " bytes a second; it must be in [", kMin, ", ",
                      kMax, "], such as 20GB");
  return static_cast<double>(*bytes);
}

Result<Dtype> parse_kv_type(const std::string& text) {
  if (text == "auto") return Dtype::kF16;
  for (Dtype type : {Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kQ8_0})
    if (text == to_string(type)) return type;
  return make_error(ErrorCode::kInvalidArgument, "--kv-type is '", text, "'; it may be f32, f16, bf16 or q8_0");
}

Result<ParsedClusterFlags> parse(const ClusterFlags& flags) {
  ParsedClusterFlags parsed{};
  ClusterOptions& options = parsed.options;
  const Result<Dtype> kv_type = parse_kv_type(flags.kv_type);
  if (!kv_type) return kv_type.error();
  options.kv_type = *kv_type;
  if (!flags.kv_memory.empty()) {
    const Result<std::uint64_t> bytes = parse_bytes("--kv-memory", flags.kv_memory);
    if (!bytes) return bytes.error();
    options.kv_bytes = *bytes;
  }
  const Result<placement::ShardMode> shard = placement::parse_shard_mode(flags.shard);
  if (!shard) return shard.error();
  options.shard = *shard;
  if (flags.transport != "inproc" && flags.transport != "ucx")
    return make_error(ErrorCode::kInvalidArgument, "--transport is '", flags.transport, "'; it may be inproc or ucx");
  options.transport = flags.transport == "ucx" ? TransportKind::kUcx : TransportKind::kInproc;
  options.ucx_tls = flags.ucx_tls;
  if (flags.attention_nodes > 64)
    return make_error(ErrorCode::kInvalidArgument, "--attention-nodes is ", flags.attention_nodes,
                      "; at most 64 fit into one process");
  options.attention_nodes = flags.attention_nodes;
  for (const std::string& text : flags.read_bandwidths) {
    const Result<double> bandwidth = parse_bandwidth("--read-bandwidth", text);
    if (!bandwidth) return bandwidth.error();
    options.read_bandwidths.push_back(*bandwidth);
  }
  options.context_tokens = flags.context;
  if (flags.max_sequences < 1 || flags.max_sequences > 4096)
    return make_error(ErrorCode::kInvalidArgument, "--max-sequences is ", flags.max_sequences,
                      "; it must be in [1, 4096]");
  options.max_sequences = flags.max_sequences;
  if (flags.chunk_tokens < 1 || flags.chunk_tokens > 8192)
    return make_error(ErrorCode::kInvalidArgument, "--chunk-tokens is ", flags.chunk_tokens, "; it must be in [1, 8192]");
  options.chunk_tokens = flags.chunk_tokens;
  const Result<kernels::Isa> isa = kernels::parse_isa(flags.isa);
  if (!isa) return isa.error();
  parsed.isa = *isa;
  return parsed;
}

}  // namespace longshore::cli
