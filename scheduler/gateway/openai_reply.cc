#include "scheduler/gateway/openai_reply.h"

#include "runtime/text/incremental_text.h"

#include <algorithm>
#include <set>

namespace longshore::gateway {
namespace {

// What vLLM and OpenAI write for a probability of zero, whose logarithm JSON cannot say.
constexpr float kLogprobMin = -9999.0f;

std::string_view to_string(service::FinishReason reason) {
  return reason == service::FinishReason::kStop ? "stop" : "length";
}

void write_finish(JsonWriter& json, const std::optional<service::FinishReason>& finish) {
  json.key("finish_reason");
  if (finish)
    json.string(to_string(*finish));
  else
    json.null();
}

void write_logprob(JsonWriter& json, float logprob) { json.number(std::max(logprob, kLogprobMin)); }

void write_token_ids(JsonWriter& json, std::span<const TokenReport> tokens) {
  json.key("token_ids").begin_array();
  for (const TokenReport& report : tokens)
    if (!report.is_prompt) json.number(std::int64_t{report.scored.token});
  json.end_array();
}

}  // namespace

std::string ReplyWriter::token_text(TokenId token) const {
  if (head_.tokens_as_ids) return "token_id:" + std::to_string(token);
  text::IncrementalText characters;
  std::string text = characters.append(text_.token_bytes(token));
  return text + characters.flush();
}

void ReplyWriter::begin(JsonWriter& json, std::string_view chat_object) const {
  json.begin_object();
  json.key("id").string(head_.id);
  json.key("object").string(head_.api == Api::kChat ? chat_object : "text_completion");
  json.key("created").number(head_.created);
  json.key("model").string(head_.model);
  json.key("system_fingerprint").string(head_.system_fingerprint);
  json.key("seed").number(head_.seed);
}

void ReplyWriter::end_chunk(JsonWriter& json) const {
  if (head_.usage_in_chunks) json.key("usage").null();
  json.end_object();
}

std::string ReplyWriter::first_chunk(std::uint32_t index, std::span<const TokenId> prompt) const {
  JsonWriter json;
  begin(json, "chat.completion.chunk");
  if (head_.token_ids && head_.api == Api::kChat) json.key("prompt_token_ids").tokens(prompt);
  json.key("choices").begin_array().begin_object().key("index").number(std::int64_t{index});
  if (head_.api == Api::kChat)
    json.key("delta").begin_object().key("role").string("assistant").key("content").string("").end_object();
  else
    json.key("text").string("");
  if (head_.token_ids && head_.api == Api::kCompletion) json.key("prompt_token_ids").tokens(prompt);
  json.key("logprobs").null().key("finish_reason").null().end_object().end_array();
  end_chunk(json);
  return json.take();
}

std::string ReplyWriter::chunk(std::uint32_t index, const ChoiceDelta& delta) const {
  JsonWriter json;
  begin(json, "chat.completion.chunk");
  json.key("choices").begin_array();
  write_choice(json, index, delta, "delta");
  json.end_array();
  end_chunk(json);
  return json.take();
}

std::string ReplyWriter::progress_chunk(std::uint32_t index, const Progress& progress) const {
  JsonWriter json;
  begin(json, "chat.completion.chunk");
  json.key("choices").begin_array();
  write_choice(json, index, {}, "delta");
  json.end_array();
  json.key("prompt_progress").begin_object();
  json.key("total").number(std::int64_t{progress.total});
  json.key("cache").number(std::int64_t{progress.cached});
  json.key("processed").number(std::int64_t{progress.processed});
  json.key("time_ms").number(progress.time_ms);
  json.end_object();
  end_chunk(json);
  return json.take();
}

std::string ReplyWriter::usage_chunk(const Usage& usage) const {
  JsonWriter json;
  begin(json, "chat.completion.chunk");
  json.key("choices").begin_array().end_array();
  write_usage(json, usage);
  json.end_object();
  return json.take();
}

std::string ReplyWriter::whole(std::span<const Choice> choices, const Usage& usage) const {
  JsonWriter json;
  begin(json, "chat.completion");
  if (head_.token_ids && head_.api == Api::kChat) json.key("prompt_token_ids").tokens(choices.front().prompt);
  json.key("choices").begin_array();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    json.begin_object();
    if (head_.token_ids && head_.api == Api::kCompletion)
      json.key("prompt_token_ids").tokens(choices[i].prompt);
    write_choice_fields(json, static_cast<std::uint32_t>(i), choices[i].whole, "message");
    json.end_object();
  }
  json.end_array();
  write_usage(json, usage);
  json.end_object();
  return json.take();
}

void ReplyWriter::write_choice(JsonWriter& json,
                               std::uint32_t index,
                               const ChoiceDelta& delta,
                               std::string_view chat_key) const {
  json.begin_object();
  write_choice_fields(json, index, delta, chat_key);
  json.end_object();
}

void ReplyWriter::write_choice_fields(JsonWriter& json,
                                      std::uint32_t index,
                                      const ChoiceDelta& delta,
                                      std::string_view chat_key) const {
  json.key("index").number(std::int64_t{index});
  if (head_.api == Api::kChat) {
    json.key(chat_key).begin_object();
    if (chat_key == "message") json.key("role").string("assistant");
    if (chat_key == "message" || !delta.text.empty()) json.key("content").string(delta.text);
    json.end_object();
  } else {
    json.key("text").string(delta.text);
  }
  json.key("logprobs");
  if (head_.logprobs && !delta.tokens.empty())
    write_logprobs(json, delta.tokens);
  else
    json.null();
  if (head_.token_ids) write_token_ids(json, delta.tokens);
  write_finish(json, delta.finish);
}

void ReplyWriter::write_logprobs(JsonWriter& json, std::span<const TokenReport> tokens) const {
  if (head_.api == Api::kChat)
    write_chat_logprobs(json, tokens);
  else
    write_completion_logprobs(json, tokens);
}

void ReplyWriter::write_chat_token(JsonWriter& json, TokenId token, float logprob) const {
  json.key("token").string(token_text(token));
  json.key("logprob");
  write_logprob(json, logprob);
  json.key("bytes").begin_array();
  for (const char byte : text_.token_bytes(token))
    json.number(std::int64_t{static_cast<unsigned char>(byte)});
  json.end_array();
}

void ReplyWriter::write_chat_logprobs(JsonWriter& json, std::span<const TokenReport> tokens) const {
  json.begin_object().key("content").begin_array();
  for (const TokenReport& report : tokens) {
    json.begin_object();
    write_chat_token(json, report.scored.token, report.scored.logprob);
    json.key("top_logprobs").begin_array();
    for (const TokenLogprob& other : report.scored.top) {
      json.begin_object();
      write_chat_token(json, other.token, other.logprob);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
}

// The alternatives and the token itself, by text; of several tokens with one text the most probable.
void ReplyWriter::write_top(JsonWriter& json, const TokenReport& report) const {
  if (!report.has_logprob) {
    json.null();
    return;
  }
  std::set<std::string> written;
  json.begin_object();
  const auto write = [&](TokenId token, float logprob) {
    const auto [text, is_new] = written.insert(token_text(token));
    if (is_new) write_logprob(json.key(*text), logprob);
  };
  for (const TokenLogprob& other : report.scored.top) write(other.token, other.logprob);
  write(report.scored.token, report.scored.logprob);
  json.end_object();
}

void ReplyWriter::write_completion_logprobs(JsonWriter& json, std::span<const TokenReport> tokens) const {
  json.begin_object();
  json.key("tokens").begin_array();
  for (const TokenReport& report : tokens) json.string(token_text(report.scored.token));
  json.end_array().key("token_logprobs").begin_array();
  for (const TokenReport& report : tokens) {
    if (report.has_logprob)
      write_logprob(json, report.scored.logprob);
    else
      json.null();
  }
  json.end_array().key("top_logprobs").begin_array();
  for (const TokenReport& report : tokens) write_top(json, report);
  json.end_array().key("text_offset").begin_array();
  for (const TokenReport& report : tokens) json.number(static_cast<std::int64_t>(report.text_offset));
  json.end_array().end_object();
}

void ReplyWriter::write_usage(JsonWriter& json, const Usage& usage) const {
  json.key("usage").begin_object();
  json.key("prompt_tokens").number(static_cast<std::int64_t>(usage.prompt_tokens));
  json.key("completion_tokens").number(static_cast<std::int64_t>(usage.completion_tokens));
  json.key("total_tokens").number(static_cast<std::int64_t>(usage.prompt_tokens + usage.completion_tokens));
  json.key("prompt_tokens_details").begin_object();
  json.key("cached_tokens").number(static_cast<std::int64_t>(usage.cached_tokens));
  json.end_object().end_object();
}

std::string sse_event(std::string_view json) {
  std::string event = "data: ";
  event.append(json).append("\n\n");
  return event;
}

}  // namespace longshore::gateway
