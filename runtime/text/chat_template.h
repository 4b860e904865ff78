#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/text/tokenizer.h"

namespace longshore::text {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

enum class GenerationPrompt { kAdd, kOmit };  // end with the beginning of the assistant's answer, or not

// How a model wants a conversation written. Families are written out in C++ and recognised from the text of the
// file's Jinja template, which is never executed: a template that we do not know is refused, not guessed.
// Thread: immutable.
class ChatTemplate {
 public:
  enum class Family {
    kChatMl,         // <|im_start|>role\n...<|im_end|>\n (SmolLM2, Qwen2.5 with their default system prompts)
    kQwen3,          // ChatML whose earlier answers lose their reasoning
    kLlama3,         // <|start_header_id|>role<|end_header_id|>\n\n...<|eot_id|>
    kLlama2,         // [INST] <<SYS>>\n...\n<</SYS>>\n\n... [/INST] ... </s>
    kMistralV1,      // " [INST] user [/INST] answer</s>"
    kMistralV3,      // "[INST] user[/INST] answer</s>"
    kMistralTekken,  // "[INST]user[/INST]answer</s>"
    kMistralV7,      // "[SYSTEM_PROMPT] ...[/SYSTEM_PROMPT][INST] user[/INST] answer</s>"
    kGemma,          // <start_of_turn>user\n...<end_of_turn>\n
  };

  // Errors: kFailedPrecondition. An empty text says that the model has no template and serves /v1/completions
  // only; an unknown one names --chat-template and the names that it takes.
  static Result<ChatTemplate> recognise(std::string_view template_text);

  // Errors: kInvalidArgument naming --chat-template and the names that it takes.
  static Result<ChatTemplate> by_name(std::string_view name);
  static std::vector<std::string_view> names();

  Family family() const { return family_; }
  std::string_view name() const;

  // The conversation as segments: markers are trusted, everything else is not.
  // Errors: kInvalidArgument naming messages[i] and what the family does not allow (no messages, a role that is
  // unknown, a system message that is not the first, turns that do not alternate).
  Result<std::vector<TextSegment>> render(std::span<const ChatMessage> messages, GenerationPrompt prompt) const;

  // The template writes the BOS token itself, whatever the file's add_bos says.
  bool begins_with_bos() const { return begins_with_bos_; }

 private:
  ChatTemplate(Family family, std::optional<std::string> default_system, bool begins_with_bos)
      : family_(family), default_system_(std::move(default_system)), begins_with_bos_(begins_with_bos) {}

  Family family_;
  std::optional<std::string> default_system_;  // what ChatML says where the conversation has no system message
  bool begins_with_bos_;
};

// The ids of a conversation: equal to encoding the rendered template with parse_special where no message
// contains a control token's text, and with such texts as plain text where one does.
Result<std::vector<TokenId>> encode_chat(const Tokenizer& tokenizer,
                                         const ChatTemplate& chat_template,
                                         std::span<const ChatMessage> messages,
                                         GenerationPrompt prompt = GenerationPrompt::kAdd);

}  // namespace longshore::text
