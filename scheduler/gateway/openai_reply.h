#pragma once

#include "scheduler/gateway/choice_text.h"
#include "scheduler/gateway/json_writer.h"
#include "scheduler/gateway/text_model.h"
#include "transport/http/message.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace longshore::gateway {

enum class Api { kChat, kCompletion };

// What all parts of one reply repeat, and which of the optional parts it has.
struct ReplyHead {
  Api api = Api::kChat;
  std::string id;
  std::int64_t created = 0;  // Unix seconds
  std::string model;
  std::string system_fingerprint;
  std::int64_t seed = 0;  // the request's, or the one that was chosen
  bool logprobs = false;
  bool tokens_as_ids = false;    // "token_id:123" in place of token texts
  bool token_ids = false;        // token_ids of choices, prompt_token_ids
  bool usage_in_chunks = false;  // the key `usage`, null in all chunks but the last
};

struct Usage {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t cached_tokens = 0;  // of prompt_tokens
};

// Prefill of one choice, in llama.cpp's shape.
struct Progress {
  std::uint32_t total = 0, cached = 0, processed = 0;  // tokens
  std::int64_t time_ms = 0;                            // since the request
};

// Writes replies as OpenAI and vLLM write them: chat.completion(.chunk) and text_completion objects.
// Immutable.
class ReplyWriter {
 public:
  // `text` outlives this.
  ReplyWriter(ReplyHead head, const TextModel& text) : head_(std::move(head)), text_(text) {}

  const ReplyHead& head() const { return head_; }

  // The first chunk of a choice: the role for chat, and the prompt's ids where they are wanted.
  std::string first_chunk(std::uint32_t index, std::span<const TokenId> prompt) const;
  std::string chunk(std::uint32_t index, const ChoiceDelta& delta) const;
  std::string progress_chunk(std::uint32_t index, const Progress& progress) const;
  std::string usage_chunk(const Usage& usage) const;

  struct Choice {
    ChoiceDelta whole;
    std::span<const TokenId> prompt;
  };
  std::string whole(std::span<const Choice> choices, const Usage& usage) const;

 private:
  void begin(JsonWriter& json, std::string_view chat_object) const;
  void end_chunk(JsonWriter& json) const;
  void write_choice(JsonWriter& json,
                    std::uint32_t index,
                    const ChoiceDelta& delta,
                    std::string_view chat_key) const;
  void write_choice_fields(JsonWriter& json,
                           std::uint32_t index,
                           const ChoiceDelta& delta,
                           std::string_view chat_key) const;
  void write_logprobs(JsonWriter& json, std::span<const TokenReport> tokens) const;
  void write_chat_logprobs(JsonWriter& json, std::span<const TokenReport> tokens) const;
  void write_completion_logprobs(JsonWriter& json, std::span<const TokenReport> tokens) const;
  void write_top(JsonWriter& json, const TokenReport& report) const;
  void write_chat_token(JsonWriter& json, TokenId token, float logprob) const;
  void write_usage(JsonWriter& json, const Usage& usage) const;
  std::string token_text(TokenId token) const;

  ReplyHead head_;
  const TextModel& text_;
};

// One server-sent event with this JSON as data; the end marker; a line that clients ignore.
std::string sse_event(std::string_view json);
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";
inline constexpr std::string_view kSseKeepAlive = ": keep-alive\n\n";

}  // namespace longshore::gateway
