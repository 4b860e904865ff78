#include "scheduler/gateway/gateway.h"

#include "runtime/text/incremental_text.h"
#include "scheduler/gateway/generation_exchange.h"
#include "scheduler/gateway/json_writer.h"
#include "scheduler/gateway/openai_request.h"
#include "scheduler/gateway/openapi.h"
#include "scheduler/gateway/plan_generation.h"
#include "transport/http/admin_routes.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

namespace longshore::gateway {
namespace {

http::ApiError draining() {
  return {.status = 503,
          .message = "the server drains and takes no new requests; retry elsewhere",
          .code = "draining"};
}

}  // namespace

// What handlers work with; immutable but for `drains`.
struct Gateway::State {
  GatewayOptions options;
  GatewayParts parts;
  std::atomic<bool> drains{false};

  PlanContext plan_context() const;
  http::Response models() const;
  http::Response model(std::string_view name) const;
  http::Response load() const;
  http::Response tokenize(const http::Request& request) const;
  http::Response detokenize(const http::Request& request) const;
  void write_model(JsonWriter& json, std::string_view name) const;
  Result<void> ready() const;

  // Reads the body, plans, and starts the exchange; or answers the error.
  template <typename Request>
  void generate(const Parsed<Request>& request, const std::shared_ptr<http::Reply>& reply) const;
};

PlanContext Gateway::State::plan_context() const {
  return {.options = options,
          .text = parts.text,
          .context_tokens_max = parts.service.context_tokens_max(),
          .resolve_preset = parts.resolve_preset,
          .random = parts.random,
          .unix_seconds = parts.unix_seconds};
}

template <typename Request>
void Gateway::State::generate(const Parsed<Request>& request,
                              const std::shared_ptr<http::Reply>& reply) const {
  const auto refuse = [&](const http::ApiError& error) {
    reply->post([reply, error] { reply->send(http::error_response(error)); });
  };
  if (drains) return refuse(draining());
  if (const auto* error = std::get_if<http::ApiError>(&request)) return refuse(*error);
  auto plan = plan_generation(std::get<Request>(request), plan_context());
  if (const auto* error = std::get_if<http::ApiError>(&plan)) return refuse(*error);
  GenerationExchange::begin(std::get<GenerationPlan>(std::move(plan)), parts.service, parts.text, parts.clock,
                            reply);
}

void Gateway::State::write_model(JsonWriter& json, std::string_view name) const {
  json.begin_object();
  json.key("id").string(name);
  json.key("object").string("model");
  json.key("created").number(options.created);
  json.key("owned_by").string("longshore");
  json.key("root").string(options.model);
  json.key("max_model_len").number(std::int64_t{parts.service.context_tokens_max()});
  json.end_object();
}

http::Response Gateway::State::models() const {
  JsonWriter json;
  json.begin_object().key("object").string("list").key("data").begin_array();
  write_model(json, options.model);
  for (const std::string& alias : options.aliases) write_model(json, alias);
  json.end_array().end_object();
  return {.status = 200, .body = json.take()};
}

http::Response Gateway::State::model(std::string_view name) const {
  JsonWriter json;
  write_model(json, name);
  return {.status = 200, .body = json.take()};
}

http::Response Gateway::State::load() const {
  const service::GenerationLoad load = parts.service.load();
  JsonWriter json;
  json.begin_object();
  json.key("server_load").number(std::int64_t{load.running} + load.waiting);
  json.key("running").number(std::int64_t{load.running});
  json.key("waiting").number(std::int64_t{load.waiting});
  json.key("kv_used").number(load.kv_used);
  json.end_object();
  return {.status = 200, .body = json.take()};
}

http::Response Gateway::State::tokenize(const http::Request& request) const {
  const auto parsed = parse_tokenize_request(request.body);
  if (const auto* error = std::get_if<http::ApiError>(&parsed)) return http::error_response(*error);
  const auto& fields = std::get<TokenizeRequest>(parsed);
  const auto tokens = parts.text.tokenize(fields.text, fields.add_special, fields.parse_special);
  if (!tokens) return http::error_response(http::to_api_error(tokens.error()));
  JsonWriter json;
  json.begin_object();
  json.key("tokens").tokens(*tokens);
  json.key("count").number(static_cast<std::int64_t>(tokens->size()));
  json.key("max_model_len").number(std::int64_t{parts.service.context_tokens_max()});
  json.end_object();
  return {.status = 200, .body = json.take()};
}

http::Response Gateway::State::detokenize(const http::Request& request) const {
  const auto parsed = parse_detokenize_request(request.body, parts.text.vocabulary());
  if (const auto* error = std::get_if<http::ApiError>(&parsed)) return http::error_response(*error);
  text::IncrementalText characters;
  std::string text = characters.append(parts.text.decode(std::get<DetokenizeRequest>(parsed).tokens));
  text += characters.flush();
  JsonWriter json;
  json.begin_object();
  json.key("content").string(text);  // llama.cpp's name
  json.key("prompt").string(text);   // vLLM's
  json.end_object();
  return {.status = 200, .body = json.take()};
}

Result<void> Gateway::State::ready() const {
  if (drains) return make_error(ErrorCode::kUnavailable, draining().message);
  return parts.ready();
}

Result<std::unique_ptr<Gateway>> Gateway::create(GatewayOptions options, GatewayParts parts) {
  if (options.model.empty())
    return make_error(ErrorCode::kInvalidArgument, "the gateway needs a model name to serve");
  if (options.choices_max < 1 || options.choices_max > 1024)
    return make_error(ErrorCode::kInvalidArgument, "choices_max is ", options.choices_max,
                      "; it must be in [1, 1024]");
  if (options.keep_alive < std::chrono::milliseconds(1))
    return make_error(ErrorCode::kInvalidArgument, "keep_alive must be at least 1 ms");
  auto state = std::make_shared<State>(std::move(options), std::move(parts));
  return std::unique_ptr<Gateway>(new Gateway(std::move(state)));
}

Gateway::Gateway(std::shared_ptr<State> state) : state_(std::move(state)) {}
Gateway::~Gateway() = default;

void Gateway::drain() { state_->drains = true; }

std::vector<http::Route> Gateway::routes() {
  using http::HandlerThread;
  const std::shared_ptr<State> state = state_;
  std::vector<http::Route> routes =
      http::admin_routes({.version = state->options.version,
                          .numerics = state->options.numerics,
                          .model = state->options.model,
                          .probe_period = state->options.probe_period},
                         state->parts.metrics, state->parts.clock, [state] { return state->ready(); });

  const auto get = [&](std::string path, std::function<http::Response(const http::Request&)> answer) {
    routes.push_back({"GET", std::move(path), http::respond(std::move(answer)), HandlerThread::kIo});
  };
  const auto post = [&](std::string path, http::Handler handler) {
    routes.push_back({"POST", std::move(path), std::move(handler), HandlerThread::kWorker});
  };
  get("/v1/models", [state](const http::Request&) { return state->models(); });
  std::vector<std::string> names = state->options.aliases;
  names.push_back(state->options.model);
  for (const std::string& name : names)
    get("/v1/models/" + name, [state, name](const http::Request&) { return state->model(name); });
  get("/load", [state](const http::Request&) { return state->load(); });
  get("/openapi.json",
      [](const http::Request&) { return http::Response{.status = 200, .body = std::string(kOpenApi)}; });
  post("/v1/chat/completions", [state](http::Request request, std::shared_ptr<http::Reply> reply) {
    state->generate(parse_chat_request(request.body, state->parts.text.vocabulary()), reply);
  });
  post("/v1/completions", [state](http::Request request, std::shared_ptr<http::Reply> reply) {
    state->generate(parse_completion_request(request.body, state->parts.text.vocabulary()), reply);
  });
  post("/tokenize",
       http::respond([state](const http::Request& request) { return state->tokenize(request); }));
  post("/detokenize",
       http::respond([state](const http::Request& request) { return state->detokenize(request); }));
  return routes;
}

}  // namespace longshore::gateway
