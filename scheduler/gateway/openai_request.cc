#include "scheduler/gateway/openai_request.h"

#include "scheduler/gateway/field_reader.h"

#include <boost/json/array.hpp>

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace longshore::gateway {
namespace json = boost::json;
namespace {

constexpr std::int64_t kTokensMax = std::numeric_limits<std::int32_t>::max();

bool is_empty(const json::value& value) {
  if (const auto* array = value.if_array()) return array->empty();
  if (const auto* object = value.if_object()) return object->empty();
  return value == json::value(false);
}

// Fields that other servers have and that would change the answer: silence would be a wrong answer.
void refuse_unsupported(FieldReader& fields) {
  for (const std::string_view name :
       {"tools",          "functions",     "function_call",      "audio",
        "modalities",     "prediction",    "web_search_options", "guided_json",
        "guided_regex",   "guided_choice", "guided_grammar",     "structured_outputs",
        "grammar",        "json_schema",   "prompt_logprobs",    "use_beam_search",
        "stop_token_ids", "bad_words",     "allowed_token_ids",  "truncate_prompt_tokens",
        "typical_p",      "mirostat"}) {
    const json::value* value = fields.find(name);
    if (value == nullptr || is_empty(*value)) continue;
    if (name == "modalities" && *value == json::value({"text"})) continue;
    fields.refuse(name, fields.full_name(name) + " is not supported; leave it out");
  }
  if (const json::value* choice = fields.find("tool_choice");
      choice != nullptr && *choice != json::value("none"))
    fields.refuse_value("tool_choice", *choice, "\"none\"; tools are not supported");
  if (const json::value* format = fields.find("response_format")) {
    const auto* object = format->if_object();
    const json::value* type = object != nullptr ? object->if_contains("type") : nullptr;
    if (type == nullptr || *type != json::value("text"))
      fields.refuse("response_format",
                    "response_format must be {\"type\": \"text\"}; others are not supported");
  }
  if (const auto best_of = fields.integer("best_of", 1, kTokensMax); best_of && *best_of > 1)
    fields.refuse("best_of", "best_of is " + std::to_string(*best_of) + "; only 1 is supported");
  if (const auto suffix = fields.string("suffix"); !suffix.empty())
    fields.refuse("suffix", "suffix is not supported; leave it out");
}

void read_stop(FieldReader& fields, std::vector<std::string>& stop) {
  const json::value* value = fields.find("stop");
  if (value == nullptr) return;
  const std::string range = "a string or an array of at most " + std::to_string(kStopStringsMax) +
                            " strings, each of 1 to " + std::to_string(kStopBytesMax) + " bytes";
  const auto add = [&](const json::value& element) {
    const auto* text = element.if_string();
    if (text == nullptr || text->empty() || text->size() > kStopBytesMax)
      return fields.refuse_value("stop", *value, range);
    stop.emplace_back(*text);
  };
  const auto* array = value->if_array();
  if (array == nullptr) return add(*value);
  if (array->size() > kStopStringsMax) return fields.refuse_value("stop", *value, range);
  for (const json::value& element : *array) add(element);
}

void read_logit_bias(FieldReader& fields, std::uint32_t vocabulary, SamplingParams& sampling) {
  const json::value* value = fields.find("logit_bias");
  if (value == nullptr) return;
  const auto* object = value->if_object();
  if (object == nullptr || object->size() > 300)
    return fields.refuse_value("logit_bias", *value, "an object of at most 300 token ids and numbers");
  FieldReader entries(*object, "logit_bias.");
  for (const auto& [key, bias] : *object) {
    TokenId token = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc() || end != key.data() + key.size() || token < 0 ||
        std::uint32_t(token) >= vocabulary)
      return fields.refuse("logit_bias", "logit_bias has the key \"" + std::string(key.substr(0, 32)) +
                                             "\"; keys must be token ids in [0, " +
                                             std::to_string(vocabulary) + ")");
    sampling.logit_bias.emplace_back(token, entries.number(key, 0, -100, 100));
  }
  if (entries.error()) fields.refuse("logit_bias", entries.error()->message);
}

void read_sampling(FieldReader& fields, std::uint32_t vocabulary, SamplingParams& sampling) {
  sampling.temperature = fields.number("temperature", 1, 0, 100);
  sampling.top_p = fields.number("top_p", 1, 0, 1);
  if (sampling.top_p == 0) fields.refuse("top_p", "top_p is 0; it must be a number in (0, 1]");
  sampling.min_p = fields.number("min_p", 0, 0, 1);
  const std::int64_t top_k = fields.integer("top_k", -1, kTokensMax).value_or(0);
  sampling.top_k = top_k > 0 ? static_cast<std::uint32_t>(top_k) : 0;
  sampling.presence_penalty = fields.number("presence_penalty", 0, -2, 2);
  sampling.frequency_penalty = fields.number("frequency_penalty", 0, -2, 2);
  sampling.repetition_penalty = fields.number("repetition_penalty", 1, 0, 100);
  if (sampling.repetition_penalty == 0)
    fields.refuse("repetition_penalty", "repetition_penalty is 0; it must be a number in (0, 100]");
  sampling.ignore_eos = fields.boolean("ignore_eos", false);
  sampling.min_tokens = static_cast<std::uint32_t>(fields.integer("min_tokens", 0, kTokensMax).value_or(0));
  read_logit_bias(fields, vocabulary, sampling);
}

void read_stream(FieldReader& fields, GenerationFields& out) {
  out.stream = fields.boolean("stream", false);
  out.return_progress = fields.boolean("return_progress", false);
  const json::value* value = fields.find("stream_options");
  if (value == nullptr) return;
  const auto* object = value->if_object();
  if (object == nullptr) return fields.refuse_value("stream_options", *value, "an object");
  if (!out.stream) return fields.refuse("stream_options", "stream_options needs \"stream\": true");
  FieldReader options(*object, "stream_options.");
  out.include_usage = options.boolean("include_usage", false);
  if (options.error()) fields.refuse("stream_options", options.error()->message);
}

// {"preset": NAME, PARAMETER: NUMBER, ...}
void read_attention(FieldReader& fields, PresetChoice& attention) {
  const json::value* value = fields.find("attention");
  if (value == nullptr) return;
  const auto* object = value->if_object();
  if (object == nullptr) return fields.refuse_value("attention", *value, "an object with \"preset\"");
  if (object->size() > kAttentionFieldsMax)
    return fields.refuse("attention", "attention has " + std::to_string(object->size()) + " fields; at most " +
                                          std::to_string(kAttentionFieldsMax) + " are possible");
  FieldReader reader(*object, "attention.");
  attention.preset = reader.string("preset");
  if (attention.preset.empty()) reader.refuse("preset", "attention.preset is missing; it must name a preset");
  for (const auto& [key, parameter] : *object) {
    if (key == "preset" || parameter.is_null()) continue;
    const auto number = reader.integer(key, 0, std::numeric_limits<std::uint32_t>::max());
    attention.parameters[std::string(key)] = static_cast<std::uint32_t>(number.value_or(0));
  }
  if (reader.error()) fields.refuse("attention", reader.error()->message);
}

GenerationFields read_generation(FieldReader& fields, std::uint32_t vocabulary) {
  GenerationFields out;
  refuse_unsupported(fields);
  out.model = fields.string("model");
  read_sampling(fields, vocabulary, out.sampling);
  out.seed = fields.integer("seed", std::numeric_limits<std::int64_t>::min(),
                            std::numeric_limits<std::int64_t>::max());
  const auto newer = fields.integer("max_completion_tokens", 0, kTokensMax);
  const auto older = fields.integer("max_tokens", 0, kTokensMax);
  if (const auto limit = newer ? newer : older) out.max_tokens = static_cast<std::uint32_t>(*limit);
  if (out.max_tokens && out.sampling.min_tokens > *out.max_tokens)
    fields.refuse("min_tokens", "min_tokens is " + std::to_string(out.sampling.min_tokens) +
                                    "; it must be at most max_tokens, " + std::to_string(*out.max_tokens));
  out.n = static_cast<std::uint32_t>(fields.integer("n", 1, 128).value_or(1));
  read_stop(fields, out.stop);
  read_stream(fields, out);
  fields.string("user");
  read_attention(fields, out.attention);
  out.cache_salt = fields.string("cache_salt");
  out.return_token_ids = fields.boolean("return_token_ids", false);
  out.return_tokens_as_token_ids = fields.boolean("return_tokens_as_token_ids", false);
  return out;
}

// Content of a message: a string, or an array of text parts, which are joined.
std::string read_content(FieldReader& message) {
  const json::value* value = message.find("content");
  if (value == nullptr) {
    message.refuse("content", message.full_name("content") +
                                  " is missing; it must be a string or an array of text parts");
    return {};
  }
  const auto* parts = value->if_array();
  if (parts == nullptr) return message.string("content");
  std::string text;
  for (const json::value& part : *parts) {
    const auto* object = part.if_object();
    const json::value* type = object != nullptr ? object->if_contains("type") : nullptr;
    const json::value* piece = object != nullptr ? object->if_contains("text") : nullptr;
    if (type == nullptr || *type != json::value("text") || piece == nullptr || !piece->is_string()) {
      message.refuse(
          "content",
          message.full_name("content") +
              " has a part that is not {\"type\": \"text\", \"text\": ...}; others are not supported");
      return {};
    }
    text += std::string_view(piece->get_string());
  }
  return text;
}

std::vector<text::ChatMessage> read_messages(FieldReader& fields) {
  std::vector<text::ChatMessage> messages;
  const json::value* value = fields.find("messages");
  const auto* array = value != nullptr ? value->if_array() : nullptr;
  if (array == nullptr || array->empty() || array->size() > kMessagesMax) {
    fields.refuse("messages",
                  "messages must be an array of 1 to " + std::to_string(kMessagesMax) + " messages");
    return messages;
  }
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::string name = "messages[" + std::to_string(i) + "]";
    const auto* object = (*array)[i].if_object();
    if (object == nullptr) {
      fields.refuse(name, name + " must be an object with role and content");
      return messages;
    }
    FieldReader message(*object, name + ".");
    text::ChatMessage read{.role = message.string("role"), .content = read_content(message)};
    if (read.role.empty()) message.refuse("role", name + ".role is missing; it must be a string");
    if (message.find("tool_calls") != nullptr && !is_empty(*message.find("tool_calls")))
      message.refuse("tool_calls", name + ".tool_calls is not supported");
    if (message.error()) {
      fields.refuse(name, message.error()->message);
      return messages;
    }
    messages.push_back(std::move(read));
  }
  return messages;
}

// A string, token ids, or an array of either.
std::vector<Prompt> read_prompts(FieldReader& fields, std::uint32_t vocabulary) {
  const json::value* value = fields.find("prompt");
  const std::string range = "a string, an array of token ids in [0, " + std::to_string(vocabulary) +
                            "), or a non-empty array of either";
  std::vector<Prompt> prompts;
  const auto add = [&](const json::value& element) {
    if (const auto* text = element.if_string()) {
      prompts.emplace_back(std::string(*text));
      return true;
    }
    const auto* array = element.if_array();
    auto tokens = array != nullptr && !array->empty() ? to_tokens(*array, vocabulary) : std::nullopt;
    if (tokens) prompts.emplace_back(std::move(*tokens));
    return tokens.has_value();
  };
  const auto* array = value != nullptr ? value->if_array() : nullptr;
  const bool is_list = array != nullptr && !array->empty() && !array->front().is_number();
  bool good = value != nullptr;
  if (is_list)
    for (const json::value& element : *array) good = good && add(element);
  else
    good = good && add(*value);
  if (!good) fields.refuse("prompt", "prompt must be " + range);
  return prompts;
}

void read_chat_logprobs(FieldReader& fields, SamplingParams& sampling) {
  sampling.report_logprobs = fields.boolean("logprobs", false);
  const auto top = fields.integer("top_logprobs", 0, 20);
  if (top && *top > 0 && !sampling.report_logprobs)
    fields.refuse("top_logprobs", "top_logprobs needs \"logprobs\": true");
  sampling.top_logprobs = static_cast<std::uint32_t>(top.value_or(0));
}

template <typename Request>
Parsed<Request> finish(const FieldReader& fields, Request request) {
  if (fields.error()) return *fields.error();
  return request;
}

}  // namespace

Parsed<ChatRequest> parse_chat_request(std::string_view body, std::uint32_t vocabulary) {
  const auto object = parse_object(body);
  if (const auto* error = std::get_if<http::ApiError>(&object)) return *error;
  FieldReader fields(std::get<json::object>(object));
  ChatRequest request{.fields = read_generation(fields, vocabulary), .messages = read_messages(fields)};
  read_chat_logprobs(fields, request.fields.sampling);
  if (fields.boolean("echo", false))
    fields.refuse("echo", "echo is not supported for chat; use /v1/completions");
  if (fields.find("prompt") != nullptr && fields.find("messages") == nullptr)
    fields.refuse("prompt", "prompt belongs to /v1/completions; chat takes messages");
  return finish(fields, std::move(request));
}

Parsed<CompletionRequest> parse_completion_request(std::string_view body, std::uint32_t vocabulary) {
  const auto object = parse_object(body);
  if (const auto* error = std::get_if<http::ApiError>(&object)) return *error;
  FieldReader fields(std::get<json::object>(object));
  CompletionRequest request{.fields = read_generation(fields, vocabulary),
                            .prompts = read_prompts(fields, vocabulary)};
  if (const auto top = fields.integer("logprobs", 0, 20)) {
    request.fields.sampling.report_logprobs = true;
    request.fields.sampling.top_logprobs = static_cast<std::uint32_t>(*top);
  }
  request.echo = fields.boolean("echo", false);
  request.add_special_tokens = fields.boolean("add_special_tokens", true);
  return finish(fields, std::move(request));
}

Parsed<TokenizeRequest> parse_tokenize_request(std::string_view body) {
  const auto object = parse_object(body);
  if (const auto* error = std::get_if<http::ApiError>(&object)) return *error;
  FieldReader fields(std::get<json::object>(object));
  TokenizeRequest request;
  const bool is_prompt = fields.find("content") == nullptr;
  const std::string_view name = is_prompt ? "prompt" : "content";
  if (fields.find(name) == nullptr)
    fields.refuse("content", "content is missing; it must be the text to tokenize");
  request.text = fields.string(name);
  request.add_special = fields.boolean("add_special", fields.boolean("add_special_tokens", is_prompt));
  request.parse_special = fields.boolean("parse_special", true);
  return finish(fields, std::move(request));
}

Parsed<DetokenizeRequest> parse_detokenize_request(std::string_view body, std::uint32_t vocabulary) {
  const auto object = parse_object(body);
  if (const auto* error = std::get_if<http::ApiError>(&object)) return *error;
  FieldReader fields(std::get<json::object>(object));
  if (fields.find("tokens") == nullptr)
    fields.refuse("tokens", "tokens is missing; it must be an array of token ids");
  DetokenizeRequest request{.tokens = fields.tokens("tokens", vocabulary)};
  return finish(fields, std::move(request));
}

}  // namespace longshore::gateway
