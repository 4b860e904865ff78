// `longshore logits`: what the model says after each token of a given text, for comparison with other programs.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "cli/cluster_flags.h"
#include "cli/command.h"
#include "cli/embedded_cluster.h"
#include "cli/loaded_model.h"
#include "cli/preset_flags.h"
#include "cli/step_driver.h"

namespace longshore::cli {
namespace {

struct LogitsFlags {
  ClusterFlags cluster;
  PresetFlags preset;
  std::string tokens;
  std::string out;
  std::uint64_t prompt = 0;  // tokens; 0: all
};

Result<std::vector<TokenId>> read_tokens(const std::string& path, std::uint32_t vocabulary) {
  std::ifstream file(path);
  if (!file) return make_error(ErrorCode::kNotFound, "--tokens: cannot open ", path);
  std::vector<TokenId> tokens;
  for (long long id = 0; file >> id;) {
    if (id < 0 || id >= vocabulary)
      return make_error(ErrorCode::kInvalidArgument, path, ": token ", tokens.size(), " is ", id, "; ids are below ",
                        vocabulary);
    tokens.push_back(static_cast<TokenId>(id));
  }
  if (!file.eof()) return make_error(ErrorCode::kInvalidArgument, path, ": token ", tokens.size(), " is no number");
  if (tokens.empty()) return make_error(ErrorCode::kInvalidArgument, path, " holds no token ids");
  return tokens;
}

Result<void> write_logits(const LogitsFlags& flags) {
  const Result<ParsedClusterFlags> parsed = parse(flags.cluster);
  if (!parsed) return parsed.error();
  const Result<Presets> presets = Presets::create(flags.preset);
  if (!presets) return presets.error();
  const Result<LoadedModel> model = load_model(flags.cluster.model, flags.cluster.threads, parsed->isa);
  if (!model) return model.error();
  const Result<std::vector<TokenId>> tokens = read_tokens(flags.tokens, model->config().vocabulary);
  if (!tokens) return tokens.error();
  Metrics metrics;
  const SystemClock clock;
  Result<std::unique_ptr<EmbeddedCluster>> cluster = EmbeddedCluster::create(*model, parsed->options, metrics, clock);
  if (!cluster) return cluster.error();
  compute::ComputeNode& node = (*cluster)->compute();
  if (tokens->size() > (*cluster)->context_tokens())
    return make_error(ErrorCode::kInvalidArgument, flags.tokens, " holds ", tokens->size(), " tokens; the context is ",
                      (*cluster)->context_tokens());

  if (flags.prompt > tokens->size())
    return make_error(ErrorCode::kInvalidArgument, "--prompt is ", flags.prompt, "; ", flags.tokens, " holds ",
                      tokens->size(), " tokens, and 0 means all");
  const std::size_t prompt = flags.prompt == 0 ? tokens->size() : flags.prompt;

  std::ofstream out(flags.out, std::ios::binary | std::ios::trunc);
  if (!out) return make_error(ErrorCode::kNotFound, "--out: cannot write ", flags.out);
  node.observe_logits([&](SequenceId, std::uint32_t, std::span<const float> logits) {
    out.write(reinterpret_cast<const char*>(logits.data()), static_cast<std::streamsize>(logits.size_bytes()));
  });
  StepBatch batch;
  SequenceStart start;
  start.sequence = SequenceId{1};
  start.prompt_tokens = static_cast<std::uint32_t>(prompt);
  start.tokens_expected = tokens->size();
  start.heads = presets->default_heads();
  batch.starts.push_back(start);
  const std::size_t chunk = parsed->options.chunk_tokens;
  for (std::size_t done = 0, end = 0; done < tokens->size(); done = end) {
    end = done < prompt ? std::min(prompt, done + chunk) : done + 1;
    // Only decode rows attend where the leaves are held, so the holders must have them by then.
    if (done == prompt)
      if (const Result<void> taken = StepDriver(node, 1).await_holders(); !taken) return taken.error();
    StepEntry entry;
    entry.sequence = start.sequence;
    entry.position = static_cast<std::uint32_t>(done);
    entry.tokens.assign(tokens->begin() + static_cast<std::ptrdiff_t>(done), tokens->begin() + static_cast<std::ptrdiff_t>(end));
    entry.score = true;
    entry.next_token = end < tokens->size() ? (*tokens)[end] : 0;
    batch.entries = {entry};
    batch.id = StepId{batch.id.value + 1};
    const StepOutcome outcome = node.execute(batch);
    if (outcome.entries[0].error) return *outcome.entries[0].error;
    batch.starts.clear();
  }
  out.flush();
  if (!out) return make_error(ErrorCode::kResourceExhausted, "--out: ", flags.out, " cannot hold ",
                              tokens->size() * model->config().vocabulary * sizeof(float), " bytes");
  std::printf("%zu x %u f32 logits in %s\n", tokens->size(), model->config().vocabulary, flags.out.c_str());
  for (std::size_t n = 0; n < parsed->options.attention_nodes; ++n) {
    const attention_node::AttentionNode& attention = (*cluster)->attention(n);
    const attention_node::AttentionNode::Holding held = attention.holding();
    std::printf("%s holds %llu leaves, %llu blocks, and answered %llu queries\n", attention.name().c_str(),
                static_cast<unsigned long long>(held.leaves), static_cast<unsigned long long>(held.blocks),
                static_cast<unsigned long long>(attention.queries_answered()));
  }
  return {};
}

}  // namespace

Run add_logits(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("logits", "Write the logits after each of some tokens: f32 [T, V], row by row");
  auto flags = std::make_shared<LogitsFlags>();
  add_cluster_flags(*subcommand, flags->cluster);
  add_preset_flag(*subcommand, flags->preset);
  subcommand->add_option("--tokens", flags->tokens, "File of token ids, separated by white space")->required();
  subcommand->add_option("--out", flags->out, "File to write")->required();
  subcommand
      ->add_option("--prompt", flags->prompt,
                   "This many tokens are a prompt; those behind it are decoded, each in a step of its own that attends "
                   "where the KV lies; 0: all are a prompt")
      ->capture_default_str();
  return [flags] {
    const Result<void> written = write_logits(*flags);
    return written ? 0 : fail(written.error());
  };
}

}  // namespace longshore::cli
