#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"

namespace longshore::gateway {

struct ChatMessage {
  std::string role;     // "system", "user" or "assistant"; others reach the template, which may refuse them
  std::string content;  // UTF-8
};

// The text of one choice as its tokens come: whole UTF-8 characters only. One thread.
class TextStream {
 public:
  virtual ~TextStream() = default;
  // The characters that this token completes; often none, and none for a control token.
  virtual std::string push(TokenId token) = 0;
  // What an unfinished character leaves at the end.
  virtual std::string finish() = 0;
};

// What the gateway needs of a model's text side: its tokenizer and its chat template, seen as one thing so that tests
// need neither. Thread-safe.
class TextModel {
 public:
  virtual ~TextModel() = default;
  // `add_special` puts what the model wants around a text (its begin token); `parse_special` takes the names of control
  // tokens in the text for these tokens. Errors: kInvalidArgument.
  virtual Result<std::vector<TokenId>> tokenize(std::string_view text, bool add_special, bool parse_special) const = 0;
  // The prompt that asks for the assistant's next message; contents never become control tokens.
  // Errors: kInvalidArgument (roles that the template does not have), kFailedPrecondition (the model has no template).
  virtual Result<std::vector<TokenId>> chat_prompt(std::span<const ChatMessage> messages) const = 0;
  // The bytes that a token stands for; a control token's name. Requires: 0 <= token < vocabulary().
  virtual std::string token_bytes(TokenId token) const = 0;
  virtual bool is_control(TokenId token) const = 0;
  // Tokens that end an answer.
  virtual const std::vector<TokenId>& end_tokens() const = 0;
  virtual std::uint32_t vocabulary() const = 0;
  virtual std::unique_ptr<TextStream> stream() const = 0;
};

}  // namespace longshore::gateway
