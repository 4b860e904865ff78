// The input as a template to recognise, and, cut at zero bytes, as a conversation: role, content, role, content.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/base/check.h"
#include "runtime/text/chat_template.h"
#include "tests/unit/runtime/text/small_vocabulary.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace longshore::text;
  static const auto tokenizer = std::move(*Tokenizer::create(small_bpe()));
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto recognised = ChatTemplate::recognise(text);

  std::vector<ChatMessage> messages;
  while (!text.empty() && messages.size() < 16) {
    const auto next = [&text] {
      const std::string_view part = text.substr(0, text.find('\0'));
      text.remove_prefix(std::min(part.size() + 1, text.size()));
      return std::string(part);
    };
    ChatMessage message;
    message.role = next();
    message.content = next();
    messages.push_back(std::move(message));
  }

  const auto check = [&](const ChatTemplate& chat_template) {
    for (const auto prompt : {GenerationPrompt::kAdd, GenerationPrompt::kOmit}) {
      const auto segments = chat_template.render(messages, prompt);
      if (!segments) continue;
      for (std::size_t i = 0; i < segments->size(); ++i) {
        CHECK(!(*segments)[i].text.empty());
        CHECK(i == 0 || (*segments)[i].trust != (*segments)[i - 1].trust);
      }
      CHECK(encode_chat(*tokenizer, chat_template, messages, prompt));
    }
  };
  for (const std::string_view name : ChatTemplate::names()) check(*ChatTemplate::by_name(name));
  if (recognised) check(*recognised);
  return 0;
}
