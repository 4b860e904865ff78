#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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
    kLlama31,        // the same with two lines on dates before the system message
    kLlama2,         // [INST] <<SYS>>\n...\n<</SYS>>\n\n... [/INST] ... </s>
    kMistralV1,      // " [INST] user [/INST] answer</s>"
    kMistralV3,      // "[INST] user[/INST] answer</s>"
    kMistralTekken,  // "[INST]user[/INST]answer</s>"
    kMistralV7,      // "[SYSTEM_PROMPT] ...[/SYSTEM_PROMPT][INST] user[/INST] answer</s>"
    kGemma,          // <start_of_turn>user\n...<end_of_turn>\n, the system message before the first user's
  };

  // What files of one family differ in.
  struct Traits {
    Family family = Family::kChatMl;
    std::optional<std::string> default_system;  // ChatML: said where the conversation begins without one
    bool begins_with_bos = false;               // the template writes BOS itself, whatever the file's add_bos says
    bool system_in_last_turn = false;           // Mistral: the system message stands in the last user turn
    bool allows_system = true;
    bool operator==(const Traits&) const = default;
  };

  // Errors: kFailedPrecondition. An empty text says that the model has no template and serves /v1/completions
  // only; an unknown one names --chat-template and the names that it takes.
  static Result<ChatTemplate> recognise(std::string_view template_text);

  // Errors: kInvalidArgument naming --chat-template and the names that it takes.
  static Result<ChatTemplate> by_name(std::string_view name);
  static std::vector<std::string_view> names();

  const Traits& traits() const { return traits_; }

  // The conversation without BOS, as segments: what the template writes is trusted, contents are not.
  // Errors: kInvalidArgument naming messages[i] and what the family does not allow: no messages, an unknown role, a
  // system message that is not the first, turns that do not alternate.
  Result<std::vector<TextSegment>> render(std::span<const ChatMessage> messages, GenerationPrompt prompt) const;

 private:
  explicit ChatTemplate(Traits traits) : traits_(std::move(traits)) {}

  Traits traits_;
};

// The ids of a conversation, with BOS where file or template ask for it: equal to encoding the rendered template with
// parse_special where no message contains a control token's text, and with such texts as plain text where one does.
// Errors: as render and Tokenizer::encode.
Result<std::vector<TokenId>> encode_chat(const Tokenizer& tokenizer,
                                         const ChatTemplate& chat_template,
                                         std::span<const ChatMessage> messages,
                                         GenerationPrompt prompt = GenerationPrompt::kAdd);

}  // namespace longshore::text
