#include "runtime/text/chat_template.h"

#include <algorithm>
#include <array>

#include "runtime/text/whitespace.h"

namespace longshore::text {
namespace {

using Family = ChatTemplate::Family;
using Traits = ChatTemplate::Traits;
using Messages = std::span<const ChatMessage>;

constexpr std::string_view kSmollm2System = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
constexpr std::string_view kQwen25System =
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
// What Llama 3.1's template says where it is given no date; a date of today would change the tokens every night.
constexpr std::string_view kLlama31Dates = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";

struct Named {
  std::string_view name;
  Family family;
  std::string_view default_system;
  bool begins_with_bos;
  bool system_in_last_turn;
};
constexpr std::array<Named, 13> kNamed = {{
    {"chatml", Family::kChatMl, "", false, false},
    {"smollm2", Family::kChatMl, kSmollm2System, false, false},
    {"qwen2.5", Family::kChatMl, kQwen25System, false, false},
    {"qwen3", Family::kQwen3, "", false, false},
    {"llama2", Family::kLlama2, "", true, false},
    {"llama3", Family::kLlama3, "", true, false},
    {"llama3.1", Family::kLlama31, "", true, false},
    {"mistral", Family::kMistralV3, "", true, true},
    {"mistral-v1", Family::kMistralV1, "", true, false},
    {"mistral-v3", Family::kMistralV3, "", true, true},
    {"mistral-tekken", Family::kMistralTekken, "", true, true},
    {"mistral-v7", Family::kMistralV7, "", true, false},
    {"gemma", Family::kGemma, "", true, false},
}};

// Collects segments; neighbours of one kind become one.
class Writer {
 public:
  Writer& mark(std::string_view text) { return append(text, TextSegment::Trust::kTemplate); }
  Writer& user(std::string_view text) { return append(text, TextSegment::Trust::kUser); }
  std::vector<TextSegment> take() { return std::move(segments_); }

 private:
  Writer& append(std::string_view text, TextSegment::Trust trust) {
    if (text.empty()) return *this;
    if (!segments_.empty() && segments_.back().trust == trust) {
      segments_.back().text += text;
    } else {
      segments_.push_back({std::string(text), trust});
    }
    return *this;
  }

  std::vector<TextSegment> segments_;
};

Error refuse(std::size_t index, std::string_view why) {
  return make_error(ErrorCode::kInvalidArgument, "messages[", index, "] ", why);
}

bool starts_with_system(Messages messages) { return !messages.empty() && messages.front().role == "system"; }

// Roles are known and there is something to answer.
Result<void> check_roles(Messages messages, bool allows_system) {
  if (messages.empty()) return make_error(ErrorCode::kInvalidArgument, "messages is empty");
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role != "system" && role != "user" && role != "assistant") {
      return refuse(i, "has the role \"" + role + "\"; this model's chat template knows system, user and assistant");
    }
    if (role == "system" && !allows_system) return refuse(i, "is a system message, which this model does not take");
  }
  return {};
}

// After an optional system message, user and assistant take turns, the user first.
Result<void> check_turns(Messages messages) {
  const std::size_t first = starts_with_system(messages) ? 1 : 0;
  if (first == messages.size()) return refuse(0, "is a system message alone; a user message must follow");
  for (std::size_t i = first; i < messages.size(); ++i) {
    const std::string_view expected = (i - first) % 2 == 0 ? "user" : "assistant";
    if (messages[i].role != expected) {
      return refuse(i, "has the role \"" + messages[i].role + "\" where " + std::string(expected) +
                           " is due; in this model's chat template user and assistant alternate");
    }
  }
  return {};
}

void write_chatml(const Traits& traits, Messages messages, GenerationPrompt prompt, Writer& out) {
  if (traits.default_system && !starts_with_system(messages)) {
    out.mark("<|im_start|>system\n").mark(*traits.default_system).mark("<|im_end|>\n");
  }
  for (const ChatMessage& message : messages) {
    out.mark("<|im_start|>").mark(message.role).mark("\n").user(message.content).mark("<|im_end|>\n");
  }
  if (prompt == GenerationPrompt::kAdd) out.mark("<|im_start|>assistant\n");
}

std::string_view strip_newlines(std::string_view text) {
  const std::size_t begin = text.find_first_not_of('\n');
  return begin == std::string_view::npos ? std::string_view()
                                         : text.substr(begin, text.find_last_not_of('\n') + 1 - begin);
}

// An answer taken apart at its reasoning, as Qwen3's template does.
struct Answer {
  std::string_view reasoning;
  std::string_view content;
};

Answer split_reasoning(std::string_view text) {
  constexpr std::string_view kOpen = "<think>";
  constexpr std::string_view kClose = "</think>";
  const std::size_t first_close = text.find(kClose);
  if (first_close == std::string_view::npos) return {"", text};
  std::string_view reasoning = text.substr(0, first_close);
  const std::size_t open = reasoning.rfind(kOpen);
  if (open != std::string_view::npos) reasoning.remove_prefix(open + kOpen.size());
  std::string_view content = text.substr(text.rfind(kClose) + kClose.size());
  content.remove_prefix(std::min(content.find_first_not_of('\n'), content.size()));
  return {strip_newlines(reasoning), content};
}

void write_qwen3(Messages messages, GenerationPrompt prompt, Writer& out) {
  std::size_t last_user = messages.size() - 1;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role == "user") last_user = i;
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    out.mark("<|im_start|>").mark(message.role).mark("\n");
    if (message.role != "assistant") {
      out.user(message.content).mark("<|im_end|>\n");
      continue;
    }
    Answer answer = split_reasoning(message.content);
    if (i > last_user && (i + 1 == messages.size() || !answer.reasoning.empty())) {
      answer.content.remove_prefix(std::min(answer.content.find_first_not_of('\n'), answer.content.size()));
      out.mark("<think>\n").user(answer.reasoning).mark("\n</think>\n\n");
    }
    out.user(answer.content).mark("<|im_end|>\n");
  }
  if (prompt == GenerationPrompt::kAdd) out.mark("<|im_start|>assistant\n");
}

void write_llama3(const Traits& traits, Messages messages, GenerationPrompt prompt, Writer& out) {
  const auto header = [&out](std::string_view role) -> Writer& {
    return out.mark("<|start_header_id|>").mark(role).mark("<|end_header_id|>\n\n");
  };
  if (traits.family == Family::kLlama31) {
    header("system").mark(kLlama31Dates);
    if (starts_with_system(messages)) {
      out.user(strip(messages.front().content));
      messages = messages.subspan(1);
    }
    out.mark("<|eot_id|>");
  }
  for (const ChatMessage& message : messages) header(message.role).user(strip(message.content)).mark("<|eot_id|>");
  if (prompt == GenerationPrompt::kAdd) header("assistant");
}

void write_llama2(Messages messages, Writer& out) {
  const bool has_system = starts_with_system(messages);
  for (std::size_t i = has_system ? 1 : 0; i < messages.size(); ++i) {
    const std::string& content = messages[i].content;
    if (messages[i].role == "assistant") {
      out.mark(" ").user(strip(content)).mark(" </s>");
      continue;
    }
    if (i > 1 || (i == 1 && !has_system)) out.mark("<s>");
    out.mark("[INST] ");
    if (has_system && i == 1) {
      // The template strips the two together, so the question keeps its front, and nothing remains of an empty one.
      out.mark("<<SYS>>\n").user(messages.front().content).mark("\n<</SYS>>");
      const std::string_view question = strip_end(content);
      if (!question.empty()) out.mark("\n\n").user(question);
    } else {
      out.user(strip(content));
    }
    out.mark(" [/INST]");
  }
}

void write_mistral(const Traits& traits, Messages messages, Writer& out) {
  const Family family = traits.family;
  const std::string_view before = family == Family::kMistralV1 ? " " : "";     // before a marker
  const std::string_view after = family == Family::kMistralTekken ? "" : " ";  // after one
  const bool has_system = starts_with_system(messages);
  const std::size_t first = has_system ? 1 : 0;
  if (has_system && family == Family::kMistralV7) {
    out.mark("[SYSTEM_PROMPT] ").user(messages.front().content).mark("[/SYSTEM_PROMPT]");
  }
  for (std::size_t i = first; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    if (message.role == "assistant") {
      const bool strips = family == Family::kMistralV3;
      out.mark(after).user(strips ? strip(message.content) : std::string_view(message.content)).mark("</s>");
      continue;
    }
    out.mark(before).mark("[INST]").mark(after);
    const bool is_system_turn = traits.system_in_last_turn ? i + 1 == messages.size() : i == first;
    if (has_system && is_system_turn && family != Family::kMistralV7) {
      out.user(messages.front().content).mark("\n\n");
    }
    out.user(message.content).mark(before).mark("[/INST]");
  }
}

void write_gemma(Messages messages, GenerationPrompt prompt, Writer& out) {
  const bool has_system = starts_with_system(messages);
  for (std::size_t i = has_system ? 1 : 0; i < messages.size(); ++i) {
    out.mark("<start_of_turn>").mark(messages[i].role == "assistant" ? "model" : "user").mark("\n");
    if (has_system && i == 1) out.user(messages.front().content).mark("\n\n");
    out.user(strip(messages[i].content)).mark("<end_of_turn>\n");
  }
  if (prompt == GenerationPrompt::kAdd) out.mark("<start_of_turn>model\n");
}

}  // namespace

Result<ChatTemplate> ChatTemplate::by_name(std::string_view name) {
  std::string known;
  for (const Named& each : kNamed) {
    known.append(known.empty() ? "" : ", ").append(each.name);
    if (each.name != name) continue;
    Traits traits;
    traits.family = each.family;
    if (!each.default_system.empty()) traits.default_system = std::string(each.default_system);
    traits.begins_with_bos = each.begins_with_bos;
    traits.system_in_last_turn = each.system_in_last_turn;
    return ChatTemplate(std::move(traits));
  }
  return make_error(ErrorCode::kInvalidArgument, "--chat-template ", name, " is not known; it takes: ", known);
}

std::vector<std::string_view> ChatTemplate::names() {
  std::vector<std::string_view> names;
  for (const Named& each : kNamed) names.push_back(each.name);
  return names;
}

Result<std::vector<TextSegment>> ChatTemplate::render(Messages messages, GenerationPrompt prompt) const {
  if (auto checked = check_roles(messages, traits_.allows_system); !checked) return checked.error();
  const bool free_order = traits_.family == Family::kChatMl || traits_.family == Family::kQwen3 ||
                          traits_.family == Family::kLlama3 || traits_.family == Family::kLlama31;
  if (!free_order) {
    if (auto checked = check_turns(messages); !checked) return checked.error();
  }
  Writer out;
  switch (traits_.family) {
    case Family::kChatMl: write_chatml(traits_, messages, prompt, out); break;
    case Family::kQwen3: write_qwen3(messages, prompt, out); break;
    case Family::kLlama3:
    case Family::kLlama31: write_llama3(traits_, messages, prompt, out); break;
    case Family::kLlama2: write_llama2(messages, out); break;
    case Family::kMistralV1:
    case Family::kMistralV3:
    case Family::kMistralTekken:
    case Family::kMistralV7: write_mistral(traits_, messages, out); break;
    case Family::kGemma: write_gemma(messages, prompt, out); break;
  }
  return out.take();
}

Result<std::vector<TokenId>> encode_chat(const Tokenizer& tokenizer,
                                         const ChatTemplate& chat_template,
                                         Messages messages,
                                         GenerationPrompt prompt) {
  const auto segments = chat_template.render(messages, prompt);
  if (!segments) return segments.error();
  auto ids = tokenizer.encode(*segments, false);
  if (!ids) return ids.error();
  if (tokenizer.bos() && (tokenizer.adds_bos() || chat_template.traits().begins_with_bos)) {
    ids->insert(ids->begin(), *tokenizer.bos());
  }
  return ids;
}

}  // namespace longshore::text
