#include "scheduler/gateway/plan_generation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace longshore::gateway {
namespace {

http::ApiError refuse(int status, std::string message, std::string code, std::string param) {
  return {
      .status = status, .message = std::move(message), .code = std::move(code), .param = std::move(param)};
}

std::string hex(std::uint64_t value) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  return {digits.data(), end};
}

std::optional<http::ApiError> check_model(const std::string& model, const GatewayOptions& options) {
  const auto& aliases = options.aliases;
  if (model.empty() || model == options.model ||
      std::find(aliases.begin(), aliases.end(), model) != aliases.end())
    return std::nullopt;
  return refuse(404, "model \"" + model + "\" is not served here; \"" + options.model + "\" is",
                "model_not_found", "model");
}

// A plan without prompts and choices.
GenerationPlan outline(Api api, const GenerationFields& fields, const PlanContext& context) {
  const GatewayOptions& options = context.options;
  GenerationPlan plan;
  plan.head.api = api;
  plan.head.id = (api == Api::kChat ? "chatcmpl-" : "cmpl-") + hex(context.random());
  plan.head.created = context.unix_seconds();
  plan.head.model = fields.model.empty() ? options.model : fields.model;
  plan.head.system_fingerprint = "longshore-" + options.numerics + "-" + options.model_sha256.substr(0, 12);
  // 53 bits: clients that read numbers as doubles can send the seed back.
  plan.head.seed = fields.seed ? *fields.seed : static_cast<std::int64_t>(context.random() >> 11);
  plan.head.logprobs = fields.sampling.report_logprobs;
  plan.head.tokens_as_ids = fields.return_tokens_as_token_ids;
  plan.head.token_ids = fields.return_token_ids;
  plan.head.usage_in_chunks = fields.include_usage;
  plan.stream = fields.stream;
  plan.include_usage = fields.include_usage;
  plan.return_progress = fields.return_progress;
  plan.keep_alive = options.keep_alive;
  return plan;
}

// The most tokens that a choice may produce after `prompt` tokens; `fallback` where the request does not say.
Parsed<std::uint32_t> tokens_for(const GenerationFields& fields,
                                 std::size_t prompt,
                                 std::optional<std::uint32_t> fallback,
                                 std::string param,
                                 std::uint32_t context_tokens_max) {
  const std::uint64_t room = context_tokens_max > prompt ? context_tokens_max - prompt : 0;
  if (prompt == 0)
    return refuse(400, "the prompt has no tokens; it needs at least one", "invalid_argument",
                  std::move(param));
  const std::string numbers = "the prompt has " + std::to_string(prompt) + " tokens and the context is " +
                              std::to_string(context_tokens_max);
  const bool needs_room = !fields.max_tokens || *fields.max_tokens > 0;
  if (prompt > context_tokens_max || (needs_room && room == 0))
    return refuse(400, numbers + "; shorten it", "context_length_exceeded", std::move(param));
  const std::uint64_t wanted =
      fields.max_tokens ? *fields.max_tokens : std::min<std::uint64_t>(fallback.value_or(room), room);
  if (wanted > room)
    return refuse(
        400, numbers + ", which leaves " + std::to_string(room) + "; max_tokens is " + std::to_string(wanted),
        "context_length_exceeded", "max_tokens");
  return static_cast<std::uint32_t>(wanted);
}

// Adds n choices for the plan's last prompt.
void add_choices(GenerationPlan& plan,
                 const GenerationFields& fields,
                 const HeadPlan& heads,
                 std::uint32_t max_tokens,
                 bool score_prompt,
                 const std::optional<EchoedPrompt>& echo,
                 const TextModel& text) {
  const std::vector<TokenId>& prompt = plan.prompts.back();
  for (std::uint32_t i = 0; i < fields.n; ++i) {
    GenerationPlan::Choice choice;
    choice.prompt = plan.prompts.size() - 1;
    choice.request.prompt = prompt;
    choice.request.max_tokens = max_tokens;
    choice.request.score_prompt = score_prompt;
    choice.request.heads = heads;
    choice.request.cache_salt = fields.cache_salt;
    choice.request.sampling = fields.sampling;
    choice.request.sampling.seed = static_cast<std::uint64_t>(plan.head.seed);
    choice.request.sampling.choice = i;
    choice.request.sampling.end_tokens.assign(text.end_tokens().begin(), text.end_tokens().end());
    choice.text.stop = fields.stop;
    choice.text.echo = echo;
    if (echo) choice.text.prompt = prompt;
    plan.choices.push_back(std::move(choice));
  }
}

http::ApiError to_prompt_error(const Error& error, std::string param) {
  http::ApiError refused = http::to_api_error(error);
  // A model without a chat template will not get one: the request must change.
  if (error.code == ErrorCode::kFailedPrecondition) refused.status = 400;
  refused.param = std::move(param);
  return refused;
}

Parsed<HeadPlan> heads_of(const GenerationFields& fields, const PlanContext& context) {
  Result<HeadPlan> heads = context.resolve_preset(fields.attention);
  if (heads) return std::move(*heads);
  return refuse(400, heads.error().message, "invalid_argument", "attention");
}

}  // namespace

Parsed<GenerationPlan> plan_generation(const ChatRequest& request, const PlanContext& context) {
  if (auto error = check_model(request.fields.model, context.options)) return std::move(*error);
  const auto heads = heads_of(request.fields, context);
  if (const auto* error = std::get_if<http::ApiError>(&heads)) return *error;
  auto prompt = context.text.chat_prompt(request.messages);
  if (!prompt) return to_prompt_error(prompt.error(), "messages");
  const auto max_tokens =
      tokens_for(request.fields, prompt->size(), std::nullopt, "messages", context.context_tokens_max);
  if (const auto* error = std::get_if<http::ApiError>(&max_tokens)) return *error;
  GenerationPlan plan = outline(Api::kChat, request.fields, context);
  plan.prompts.push_back(std::move(*prompt));
  add_choices(plan, request.fields, std::get<HeadPlan>(heads), std::get<std::uint32_t>(max_tokens), false, std::nullopt,
              context.text);
  return plan;
}

Parsed<GenerationPlan> plan_generation(const CompletionRequest& request, const PlanContext& context) {
  const GenerationFields& fields = request.fields;
  if (auto error = check_model(fields.model, context.options)) return std::move(*error);
  const auto heads = heads_of(fields, context);
  if (const auto* error = std::get_if<http::ApiError>(&heads)) return *error;
  if (request.prompts.size() * fields.n > context.options.choices_max)
    return refuse(400,
                  std::to_string(request.prompts.size()) + " prompts times n " + std::to_string(fields.n) +
                      " is more than " + std::to_string(context.options.choices_max) + " choices; send fewer",
                  "too_many_choices", "prompt");
  GenerationPlan plan = outline(Api::kCompletion, fields, context);
  for (const Prompt& prompt : request.prompts) {
    const auto* written = std::get_if<std::string>(&prompt);
    auto tokens = written != nullptr ? context.text.tokenize(*written, request.add_special_tokens, true)
                                     : Result<std::vector<TokenId>>(std::get<std::vector<TokenId>>(prompt));
    if (!tokens) return to_prompt_error(tokens.error(), "prompt");
    const auto max_tokens =
        tokens_for(fields, tokens->size(), kCompletionTokensDefault, "prompt", context.context_tokens_max);
    if (const auto* error = std::get_if<http::ApiError>(&max_tokens)) return *error;
    std::optional<EchoedPrompt> echo;
    if (request.echo)
      echo = echo_prompt(context.text, *tokens,
                         written != nullptr ? std::optional<std::string_view>(*written) : std::nullopt);
    plan.prompts.push_back(std::move(*tokens));
    add_choices(plan, fields, std::get<HeadPlan>(heads), std::get<std::uint32_t>(max_tokens),
                request.echo && fields.sampling.report_logprobs, echo, context.text);
  }
  return plan;
}

}  // namespace longshore::gateway
