// `longshore complete`: continues a text and prints it as it comes.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/generated_text.h"
#include "cli/local_service.h"
#include "cli/preset_flags.h"
#include "cli/sampling_flags.h"

namespace longshore::cli {
namespace {

std::atomic<bool> interrupted{false};

struct CompleteFlags {
  ClusterFlags cluster;
  SamplingFlags sampling;
  PresetFlags preset;
  std::string prompt;
};

Result<void> complete(const CompleteFlags& flags) {
  if (Result<void> valid = validate(flags.sampling.params); !valid) return valid;
  const Result<Presets> presets = Presets::create(flags.preset);
  if (!presets) return presets.error();
  const std::string prompt = flags.prompt != "-" ? flags.prompt : std::string(std::istreambuf_iterator<char>(std::cin), {});
  Result<std::unique_ptr<LocalService>> local = LocalService::create(flags.cluster, 1);
  if (!local) return local.error();
  Result<std::vector<TokenId>> tokens = (*local)->model().tokenizer->encode(prompt);
  if (!tokens) return tokens.error();
  if (tokens->empty()) return make_error(ErrorCode::kInvalidArgument, "the prompt is empty");
  std::signal(SIGINT, [](int) { interrupted.store(true); });
  const std::size_t prompt_tokens = tokens->size();
  const Result<GeneratedText> generated =
      generate(**local, std::move(*tokens), flags.sampling.max_tokens, flags.sampling.params, presets->default_heads(),
               interrupted,
               [](std::string_view piece) {
                 std::fwrite(piece.data(), 1, piece.size(), stdout);
                 std::fflush(stdout);
               });
  if (!generated) return generated.error();
  std::printf("\n");
  const double decoding = generated->seconds - generated->first_token_seconds;
  std::fprintf(stderr, "%zu prompt tokens in %.2f s; %u tokens, %.1f per second\n", prompt_tokens,
               generated->first_token_seconds, generated->tokens,
               generated->tokens > 1 ? (generated->tokens - 1) / decoding : 0.0);
  return {};
}

}  // namespace

Run add_complete(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("complete", "Continue a text");
  auto flags = std::make_shared<CompleteFlags>();
  add_cluster_flags(*subcommand, flags->cluster);
  add_sampling_flags(*subcommand, flags->sampling);
  add_preset_flag(*subcommand, flags->preset);
  subcommand->add_option("PROMPT", flags->prompt, "The text to continue; - reads it from standard input")->required();
  return [flags] {
    const Result<void> completed = complete(*flags);
    return completed ? 0 : fail(completed.error());
  };
}

}  // namespace longshore::cli
