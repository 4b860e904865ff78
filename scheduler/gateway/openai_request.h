#pragma once

#include "runtime/base/ids.h"
#include "runtime/plan/preset_choice.h"
#include "runtime/plan/sampling_params.h"
#include "scheduler/gateway/text_model.h"
#include "transport/http/message.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace longshore::gateway {

inline constexpr std::size_t kStopStringsMax = 16;  // OpenAI allows 4; harnesses send more
inline constexpr std::size_t kStopBytesMax = 1024;  // of one stop string: it is matched in every step
inline constexpr std::size_t kMessagesMax = 4096;
inline constexpr std::size_t kAttentionFieldsMax = 32;
inline constexpr std::size_t kJsonValuesMax = 1u << 21;  // of one body: 24 bytes each once parsed
inline constexpr std::size_t kJsonDepthMax = 32;

// A request that was read, or the error to answer it with (it names the field in `param`).
template <typename T>
using Parsed = std::variant<T, http::ApiError>;

// The fields that chat and text completions share. Fields not here that we know and do not support are
// refused by name; fields that nobody knows are ignored; null is the same as absent.
struct GenerationFields {
  std::string model;        // empty: the one that is served
  SamplingParams sampling;  // seed, choice and end_tokens are the gateway's to set
  std::optional<std::int64_t> seed;
  PresetChoice attention;
  std::string cache_salt;
  std::optional<std::uint32_t> max_tokens;  // max_completion_tokens wins over max_tokens
  std::uint32_t n = 1;                      // [1, 128]
  std::vector<std::string> stop;            // at most kStopStringsMax, none empty
  bool stream = false;
  bool include_usage = false;
  bool return_progress = false;
  bool return_token_ids = false;
  bool return_tokens_as_token_ids = false;
};

struct ChatRequest {
  GenerationFields fields;
  std::vector<text::ChatMessage> messages;  // at least one
};

using Prompt = std::variant<std::string, std::vector<TokenId>>;

struct CompletionRequest {
  GenerationFields fields;
  std::vector<Prompt> prompts;  // at least one
  bool echo = false;
  bool add_special_tokens = true;
};

struct TokenizeRequest {
  std::string text;          // `content` (llama.cpp) or `prompt` (vLLM)
  bool add_special = false;  // default: false with content, true with prompt, as their servers do
  bool parse_special = true;
};

struct DetokenizeRequest {
  std::vector<TokenId> tokens;
};

// `vocabulary`: token ids in the body must be below it.
Parsed<ChatRequest> parse_chat_request(std::string_view body, std::uint32_t vocabulary);
Parsed<CompletionRequest> parse_completion_request(std::string_view body, std::uint32_t vocabulary);
Parsed<TokenizeRequest> parse_tokenize_request(std::string_view body);
Parsed<DetokenizeRequest> parse_detokenize_request(std::string_view body, std::uint32_t vocabulary);

}  // namespace longshore::gateway
