#pragma once

#include "scheduler/gateway/text_model.h"

#include <array>
#include <string>
#include <vector>

namespace longshore::testing {

// A vocabulary that a reader knows by heart: token b is the byte b, kBegin opens every prompt, kEnd closes
// answers. A conversation is "role:content\n" for each message.
class ByteTextModel final : public gateway::TextModel {
 public:
  static constexpr TokenId kBegin = 256, kEnd = 257;

  Result<std::vector<TokenId>> tokenize(std::string_view text,
                                        bool add_special,
                                        bool parse_special) const override {
    std::vector<TokenId> tokens;
    if (add_special) tokens.push_back(kBegin);
    while (!text.empty()) {
      TokenId token = static_cast<unsigned char>(text.front());
      if (parse_special)
        for (const TokenId control : {kBegin, kEnd})
          if (text.starts_with(token_bytes(control))) token = control;
      tokens.push_back(token);
      text.remove_prefix(token_bytes(token).size());
    }
    return tokens;
  }
  Result<std::vector<TokenId>> chat_prompt(std::span<const text::ChatMessage> messages) const override {
    if (!has_template) return make_error(ErrorCode::kFailedPrecondition, "the model has no chat template");
    std::string conversation;
    for (const auto& message : messages) conversation += message.role + ":" + message.content + "\n";
    return tokenize(conversation, true, false);
  }
  std::string decode(std::span<const TokenId> tokens) const override {
    std::string bytes;
    for (const TokenId token : tokens) bytes += token_bytes(token);
    return bytes;
  }
  std::string_view token_bytes(TokenId token) const override {
    if (token == kBegin) return "<s>";
    if (token == kEnd) return "<end>";
    return {bytes_.data() + token, 1};
  }
  bool is_control(TokenId token) const override { return token >= kBegin; }
  std::span<const TokenId> end_tokens() const override { return end_tokens_; }
  std::uint32_t vocabulary() const override { return 258; }

  bool has_template = true;

 private:
  static constexpr std::array<char, 256> all_bytes() {
    std::array<char, 256> bytes{};
    for (int i = 0; i < 256; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<char>(i);
    return bytes;
  }
  const std::array<char, 256> bytes_ = all_bytes();
  const std::vector<TokenId> end_tokens_{kEnd};
};

}  // namespace longshore::testing
