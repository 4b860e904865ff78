#include "scheduler/gateway/text_model.h"

#include <utility>

namespace longshore::gateway {
namespace {

class FileTextModel final : public TextModel {
 public:
  FileTextModel(const text::Tokenizer& tokenizer, Result<text::ChatTemplate> chat_template)
      : tokenizer_(tokenizer), chat_template_(std::move(chat_template)) {}

  Result<std::vector<TokenId>> tokenize(std::string_view text,
                                        bool add_special,
                                        bool parse_special) const override {
    return tokenizer_.encode(text, {.add_special = add_special, .parse_special = parse_special});
  }
  Result<std::vector<TokenId>> chat_prompt(std::span<const text::ChatMessage> messages) const override {
    if (!chat_template_) return chat_template_.error();
    return text::encode_chat(tokenizer_, *chat_template_, messages);
  }
  std::string decode(std::span<const TokenId> tokens) const override { return tokenizer_.decode(tokens); }
  std::string_view token_bytes(TokenId token) const override { return tokenizer_.piece(token); }
  bool is_control(TokenId token) const override { return tokenizer_.is_control(token); }
  std::span<const TokenId> end_tokens() const override { return tokenizer_.end_tokens(); }
  std::uint32_t vocabulary() const override {
    return static_cast<std::uint32_t>(tokenizer_.vocabulary_size());
  }

 private:
  const text::Tokenizer& tokenizer_;
  const Result<text::ChatTemplate> chat_template_;
};

}  // namespace

std::unique_ptr<TextModel> make_text_model(const text::Tokenizer& tokenizer,
                                           Result<text::ChatTemplate> chat_template) {
  return std::make_unique<FileTextModel>(tokenizer, std::move(chat_template));
}

}  // namespace longshore::gateway
