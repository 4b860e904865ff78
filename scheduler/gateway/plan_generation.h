#pragma once

#include "scheduler/gateway/gateway.h"
#include "scheduler/gateway/generation_exchange.h"
#include "scheduler/gateway/openai_request.h"
#include "scheduler/gateway/text_model.h"

#include <cstdint>
#include <functional>

namespace longshore::gateway {

inline constexpr std::uint32_t kCompletionTokensDefault =
    16;  // of /v1/completions without max_tokens, as OpenAI's

// What a plan depends on besides the request. References outlive the call.
struct PlanContext {
  const GatewayOptions& options;
  const TextModel& text;
  std::uint32_t context_tokens_max = 0;
  const std::function<Result<HeadPlan>(const PresetChoice&)>& resolve_preset;
  const std::function<std::uint64_t()>& random;
  const std::function<std::int64_t()>& unix_seconds;
};

// Tokenizes the prompts, fills in defaults, chooses a missing seed, and checks what needs the model: its name
// (404), the preset, the template, the context length, the number of choices (400).
Parsed<GenerationPlan> plan_generation(const ChatRequest& request, const PlanContext& context);
Parsed<GenerationPlan> plan_generation(const CompletionRequest& request, const PlanContext& context);

}  // namespace longshore::gateway
