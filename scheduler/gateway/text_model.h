#pragma once

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/tokenizer.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace longshore::gateway {

// What the gateway needs of a model's text side: its tokenizer and its chat template, seen as one thing so
// that tests need neither. Thread-safe.
class TextModel {
 public:
  virtual ~TextModel() = default;
  // `add_special` puts what the model wants around a text (its begin token); `parse_special` takes the names
  // of control tokens in the text for these tokens. Errors: kInvalidArgument.
  virtual Result<std::vector<TokenId>> tokenize(std::string_view text,
                                                bool add_special,
                                                bool parse_special) const = 0;
  // The prompt that asks for the assistant's next message; contents never become control tokens.
  // Errors: kInvalidArgument (roles that the template does not have), kFailedPrecondition (the model has no
  // template).
  virtual Result<std::vector<TokenId>> chat_prompt(std::span<const text::ChatMessage> messages) const = 0;
  // The bytes of the tokens in a row, control tokens as their names. Requires: as token_bytes, for each.
  virtual std::string decode(std::span<const TokenId> tokens) const = 0;
  // The bytes that a token stands for, perhaps a part of a character; a control token's name.
  // Requires: 0 <= token < vocabulary().
  virtual std::string_view token_bytes(TokenId token) const = 0;
  virtual bool is_control(TokenId token) const = 0;
  // Tokens that end an answer.
  virtual std::span<const TokenId> end_tokens() const = 0;
  virtual std::uint32_t vocabulary() const = 0;
};

// The text model of a model file. `chat_template` may be the error that says why there is none; chat requests
// get it. `tokenizer` outlives the result.
std::unique_ptr<TextModel> make_text_model(const text::Tokenizer& tokenizer,
                                           Result<text::ChatTemplate> chat_template);

}  // namespace longshore::gateway
