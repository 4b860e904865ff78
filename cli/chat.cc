// `longshore chat`: a conversation in the terminal. Ctrl-C stops the answer, Ctrl-D ends the program.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/generated_text.h"
#include "cli/local_service.h"
#include "cli/preset_flags.h"
#include "cli/sampling_flags.h"
#include "runtime/text/chat_template.h"

namespace longshore::cli {
namespace {

std::atomic<bool> interrupted{false};

struct ChatFlags {
  ClusterFlags cluster;
  SamplingFlags sampling;
  PresetFlags preset;
  std::string system;
  std::string chat_template;
};

void on_interrupt(int) { interrupted.store(true); }

Result<void> chat(const ChatFlags& flags) {
  if (Result<void> valid = validate(flags.sampling.params); !valid) return valid;
  const Result<Presets> presets = Presets::create(flags.preset);
  if (!presets) return presets.error();
  Result<std::unique_ptr<LocalService>> local = LocalService::create(flags.cluster, 1);
  if (!local) return local.error();
  const text::Tokenizer& tokenizer = *(*local)->model().tokenizer;
  const Result<text::ChatTemplate> chat_template = flags.chat_template.empty()
                                                       ? text::ChatTemplate::recognise(tokenizer.chat_template_text())
                                                       : text::ChatTemplate::by_name(flags.chat_template);
  if (!chat_template) return chat_template.error();
  std::signal(SIGINT, on_interrupt);
  std::vector<text::ChatMessage> messages;
  if (!flags.system.empty()) messages.push_back({"system", flags.system});
  std::printf("%s, context %u tokens. Ctrl-C stops an answer, Ctrl-D ends.\n", (*local)->model().name.c_str(),
              (*local)->cluster().context_tokens());
  for (std::string line; std::printf("\n> "), std::fflush(stdout), std::getline(std::cin, line);) {
    if (line.empty()) continue;
    messages.push_back({"user", line});
    Result<std::vector<TokenId>> prompt = text::encode_chat(tokenizer, *chat_template, messages);
    if (!prompt) return prompt.error();
    interrupted.store(false);
    const Result<GeneratedText> answer =
        generate(**local, std::move(*prompt), flags.sampling.max_tokens, flags.sampling.params,
                 presets->default_heads(), interrupted,
                 [](std::string_view piece) {
                   std::fwrite(piece.data(), 1, piece.size(), stdout);
                   std::fflush(stdout);
                 });
    if (!answer) {
      // The conversation may have outgrown the context: say so and let the user go on from before.
      std::printf("(%s)\n", answer.error().message.c_str());
      messages.pop_back();
      continue;
    }
    std::printf("%s\n", answer->interrupted ? " (stopped)" : "");
    messages.push_back({"assistant", answer->text});
  }
  std::printf("\n");
  return {};
}

}  // namespace

Run add_chat(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("chat", "Talk to a model in the terminal");
  auto flags = std::make_shared<ChatFlags>();
  add_cluster_flags(*subcommand, flags->cluster);
  add_sampling_flags(*subcommand, flags->sampling);
  add_preset_flag(*subcommand, flags->preset);
  subcommand->add_option("--system", flags->system, "A system message before the conversation");
  subcommand->add_option("--chat-template", flags->chat_template,
                         "Family of the chat template, where the file's is not recognised");
  return [flags] {
    const Result<void> done = chat(*flags);
    return done ? 0 : fail(done.error());
  };
}

}  // namespace longshore::cli
