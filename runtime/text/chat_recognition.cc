// Which family a file's Jinja template belongs to, from marks in its text.

#include <initializer_list>
#include <string>

#include "runtime/text/chat_template.h"

namespace longshore::text {
namespace {

using Family = ChatTemplate::Family;
using Traits = ChatTemplate::Traits;

class TemplateText {
 public:
  explicit TemplateText(std::string_view text) : text_(text) {}

  bool has(std::string_view mark) const { return text_.find(mark) != std::string_view::npos; }
  bool has_any(std::initializer_list<std::string_view> marks) const {
    for (const std::string_view mark : marks) {
      if (has(mark)) return true;
    }
    return false;
  }
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

// The Jinja string literal from its first character to the closing quote, with its escapes resolved.
// Absent where it does not end or has an escape that we do not know.
std::optional<std::string> read_literal(std::string_view text, char quote) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == quote) return out;
    if (text[i] != '\\') {
      out.push_back(text[i]);
      continue;
    }
    if (++i == text.size()) break;
    const std::size_t escape = std::string_view("nt'\"\\").find(text[i]);
    if (escape == std::string_view::npos) break;
    out.push_back("\n\t'\"\\"[escape]);
  }
  return std::nullopt;
}

// What ChatML's default system message is: the literals "<|im_start|>system\n...<|im_end|>..." of the template, which
// must agree. `known` is false where they do not, or where the message is put together in another way.
struct DefaultSystem {
  bool known = true;
  std::optional<std::string> content;
};

DefaultSystem find_default_system(std::string_view text) {
  constexpr std::string_view kBegin = "<|im_start|>system";
  constexpr std::string_view kEnd = "<|im_end|>";
  DefaultSystem found;
  for (std::size_t at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin, at + 1)) {
    const char quote = at == 0 ? '\0' : text[at - 1];
    if (quote != '\'' && quote != '"') return {false, std::nullopt};
    const auto literal = read_literal(text.substr(at), quote);
    if (!literal) return {false, std::nullopt};
    const std::size_t end = literal->find(kEnd);
    if (end == std::string::npos) continue;  // the message's own content follows
    if (literal->size() < kBegin.size() + 1 || (*literal)[kBegin.size()] != '\n') return {false, std::nullopt};
    std::string content = literal->substr(kBegin.size() + 1, end - kBegin.size() - 1);
    if (found.content && *found.content != content) return {false, std::nullopt};
    found.content = std::move(content);
  }
  return found;
}

std::optional<Traits> recognise_chatml(const TemplateText& text) {
  // Other formats that share the marker.
  if (!text.has("<|im_end|>") || text.has_any({"<|im_sep|>", "<end_of_utterance>"})) return std::nullopt;
  Traits traits;
  traits.begins_with_bos = text.has("bos_token");
  const bool is_qwen3 = text.has("last_query_index") && text.has("enable_thinking") &&
                        text.has("loop.last or (not loop.last and reasoning_content)");
  if (is_qwen3 && !text.has_any({"trim", "bos_token"})) {  // later ones strip, and begin answers with <think>
    traits.family = Family::kQwen3;
    return traits;
  }
  // Contents that are changed, reasoning that is cut, defaults that are put together: not written out here.
  if (text.has_any({"think>", "trim", "strip(", "system_message"})) return std::nullopt;
  const DefaultSystem found = find_default_system(text.text());
  if (!found.known) return std::nullopt;
  traits.default_system = found.content;
  return traits;
}

std::optional<Traits> recognise_instruct(const TemplateText& text) {
  Traits traits;
  traits.begins_with_bos = text.has("bos_token");
  traits.system_in_last_turn = text.has("loop.last and system_message");
  if (text.has("[SYSTEM_PROMPT]")) {
    // Later versions have no spaces, and a default system message with the date.
    if (text.has("default_system_message") || !text.has("[SYSTEM_PROMPT] ")) return std::nullopt;
    traits.family = Family::kMistralV7;
  } else if (text.has("<<SYS>>")) {
    if (!text.has("content.strip()")) return std::nullopt;
    traits.family = Family::kLlama2;
  } else if (text.has_any({"\" [INST] \"", "' [INST] '"})) {
    traits.family = Family::kMistralV1;
  } else if (text.has("[AVAILABLE_TOOLS]") && text.has("\"[INST] \"")) {
    traits.family = Family::kMistralV3;
  } else if (text.has("[AVAILABLE_TOOLS]") && text.has("\"[INST]\"")) {
    traits.family = Family::kMistralTekken;
  } else {
    return std::nullopt;
  }
  return traits;
}

std::optional<Traits> recognise_llama3(const TemplateText& text) {
  const bool is_dated = text.has("Cutting Knowledge Date: December 2023") && text.has("Today Date: ") &&
                        text.has("Environment: ipython");
  // Others that share the markers write a system message of their own about functions.
  if (!is_dated && text.has_any({"function", "tool", "Cutting Knowledge Date"})) return std::nullopt;
  Traits traits;
  traits.family = is_dated ? Family::kLlama31 : Family::kLlama3;
  traits.begins_with_bos = text.has_any({"bos_token", "<|begin_of_text|>"});
  return traits;
}

std::optional<Traits> recognise_gemma(const TemplateText& text) {
  Traits traits;
  traits.family = Family::kGemma;
  traits.begins_with_bos = text.has("bos_token");
  traits.allows_system = !text.has("System role not supported");
  return traits;
}

std::optional<Traits> recognise_traits(const TemplateText& text) {
  if (text.has("<|im_start|>")) return recognise_chatml(text);
  if (text.has("[INST]")) return recognise_instruct(text);
  if (text.has("<|start_header_id|>") && text.has("<|eot_id|>")) return recognise_llama3(text);
  if (text.has("<start_of_turn>") && text.has("<end_of_turn>")) return recognise_gemma(text);
  return std::nullopt;
}

}  // namespace

Result<ChatTemplate> ChatTemplate::recognise(std::string_view template_text) {
  std::string known;
  for (const std::string_view name : names()) known.append(known.empty() ? "" : ", ").append(name);
  if (template_text.empty()) {
    return make_error(ErrorCode::kFailedPrecondition,
                      "the model has no chat template (tokenizer.chat_template), so it serves /v1/completions only; "
                      "--chat-template NAME gives it one of: ",
                      known);
  }
  auto traits = recognise_traits(TemplateText(template_text));
  if (!traits) {
    return make_error(ErrorCode::kFailedPrecondition,
                      "the model's chat template (tokenizer.chat_template) is none of those that are known; "
                      "--chat-template NAME says which to use: ",
                      known);
  }
  return ChatTemplate(std::move(*traits));
}

}  // namespace longshore::text
