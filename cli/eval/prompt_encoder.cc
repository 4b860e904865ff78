#include "cli/eval/prompt_encoder.h"

#include <algorithm>
#include <utility>

namespace longshore::cli::eval {

Result<PromptEncoder> PromptEncoder::create(const text::Tokenizer& tokenizer, const std::string& chat_template) {
  const std::string& own = tokenizer.chat_template_text();
  if (chat_template == "none" || (chat_template.empty() && own.empty())) return PromptEncoder(tokenizer, std::nullopt);
  Result<text::ChatTemplate> known =
      chat_template.empty() ? text::ChatTemplate::recognise(own) : text::ChatTemplate::by_name(chat_template);
  if (!known) return known.error();
  return PromptEncoder(tokenizer, std::move(*known));
}

Result<std::vector<TokenId>> PromptEncoder::encode(const std::string& question, const std::string& answer_begin) const {
  std::vector<text::TextSegment> segments;
  bool begins_with_bos = tokenizer_->adds_bos();
  if (chat_template_) {
    const text::ChatMessage message{"user", question};
    Result<std::vector<text::TextSegment>> rendered = chat_template_->render({&message, 1}, text::GenerationPrompt::kAdd);
    if (!rendered) return rendered.error();
    segments = std::move(*rendered);
    begins_with_bos = begins_with_bos || chat_template_->traits().begins_with_bos;
  } else {
    segments.push_back({question + "\n", text::TextSegment::Trust::kUser});
  }
  segments.push_back({answer_begin, text::TextSegment::Trust::kUser});
  Result<std::vector<TokenId>> tokens = tokenizer_->encode(segments, false);
  if (tokens && begins_with_bos && tokenizer_->bos()) tokens->insert(tokens->begin(), *tokenizer_->bos());
  return tokens;
}

std::optional<std::uint32_t> position_of(const text::Tokenizer& tokenizer, const std::vector<TokenId>& tokens,
                                         std::string_view text) {
  std::string whole;
  std::vector<std::size_t> begins;  // [tokens], in bytes
  for (const TokenId token : tokens) {
    begins.push_back(whole.size());
    whole += tokenizer.piece(token);
  }
  const std::size_t found = whole.find(text);
  if (text.empty() || found == std::string::npos) return std::nullopt;
  const auto behind = std::upper_bound(begins.begin(), begins.end(), found);
  return static_cast<std::uint32_t>(behind - begins.begin() - 1);
}

}  // namespace longshore::cli::eval
