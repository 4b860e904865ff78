#pragma once

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/result.h"
#include "runtime/plan/head_plan.h"
#include "runtime/plan/preset_choice.h"
#include "scheduler/gateway/text_model.h"
#include "scheduler/service/generation.h"
#include "transport/http/reply.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace longshore::gateway {

struct GatewayOptions {
  std::string model;                                // the name that /v1/models lists and replies carry
  std::vector<std::string> aliases = {};            // other names that requests may use
  std::string version;                              // of the program
  std::string numerics;                             // version of the arithmetic
  std::string model_sha256;                         // hex; its first 12 digits are in system_fingerprint
  std::int64_t created = 0;                         // Unix seconds, of the model in /v1/models
  std::uint32_t choices_max = 128;                  // prompts of a request times n
  Duration keep_alive = std::chrono::seconds(15);   // silence after which a stream gets a comment line
  Duration probe_period = std::chrono::seconds(5);  // of `ready` below
};

// What the gateway works with. Everything outlives it.
struct GatewayParts {
  service::GenerationService& service;
  const TextModel& text;
  Metrics& metrics;
  const Clock& clock;
  std::function<std::uint64_t()> random;       // missing seeds and reply ids; thread-safe
  std::function<std::int64_t()> unix_seconds;  // `created` of replies; thread-safe
  // What the rows of a request may see. Errors: kNotFound, kInvalidArgument; thread-safe.
  std::function<Result<HeadPlan>(const PresetChoice&)> resolve_preset;
  std::function<Result<void>()>
      ready;  // a tiny decode through every shard, within its own deadline; thread-safe
};

// The OpenAI-compatible API as HTTP routes:
//   GET  /v1/models /health /livez /readyz /version /metrics /openapi.json
//   POST /v1/chat/completions /v1/completions /tokenize /detokenize
// The routes refer to the gateway: stop their server first.
class Gateway {
 public:
  // Errors: kInvalidArgument (no model name, a limit of 0).
  static Result<std::unique_ptr<Gateway>> create(GatewayOptions options, GatewayParts parts);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  std::vector<http::Route> routes();
  // From now on /readyz and new generation requests answer 503. Thread-safe.
  void drain();

 private:
  struct State;
  explicit Gateway(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace longshore::gateway
