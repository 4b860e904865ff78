#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/tokenizer.h"

namespace longshore::cli::eval {

// Turns a question into tokens with the served tokenizer: through the model's chat template where it has one, as the words
// of a user, and then the first words of the answer, so that what the model adds is the answer itself. Thread: immutable.
class PromptEncoder {
 public:
  // `chat_template`: empty for the file's own, "none" for plain text, else the name of a family. A model without a template
  // gets plain text. `tokenizer` outlives it. Errors: kFailedPrecondition for a template of the file that is not known,
  // kInvalidArgument naming --chat-template.
  static Result<PromptEncoder> create(const text::Tokenizer& tokenizer, const std::string& chat_template);

  // Errors: those of the tokenizer.
  Result<std::vector<TokenId>> encode(const std::string& question, const std::string& answer_begin) const;
  const text::Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  PromptEncoder(const text::Tokenizer& tokenizer, std::optional<text::ChatTemplate> chat_template)
      : tokenizer_(&tokenizer), chat_template_(std::move(chat_template)) {}

  const text::Tokenizer* tokenizer_;
  std::optional<text::ChatTemplate> chat_template_;
};

// Index of the token in which the first occurrence of `text` in the text of `tokens` begins; none where it is not there.
std::optional<std::uint32_t> position_of(const text::Tokenizer& tokenizer, const std::vector<TokenId>& tokens,
                                         std::string_view text);

}  // namespace longshore::cli::eval
