#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/preset_flags.h"
#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/result.h"
#include "runtime/base/sha256.h"
#include "runtime/text/tokenizer.h"
#include "scheduler/service/step_loop.h"
#include "transport/http/reply.h"

namespace longshore::cli {

// The flags of every command with the OpenAI API.
struct ApiFlags {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string served_name;
  std::string chat_template;
  std::uint32_t queue = 256;
  std::uint32_t drain_seconds = 30;
  PresetFlags presets;
};
void add_api_flags(CLI::App& app, ApiFlags& flags);

// What the API serves. Everything outlives the call.
struct ApiParts {
  service::StepLoop& loop;
  const text::Tokenizer& tokenizer;
  std::string model_name;
  Sha256 model{};
  Metrics& metrics;
  const Clock& clock;
  std::vector<http::Route> routes;  // beside the API's
};

// Serves until SIGINT or SIGTERM, then drains: no new requests, running ones finish. `on_listening` gets the port and
// the model's name in the API. Requires: block_signals().
// Errors: a chat template or a preset that does not exist, an address that cannot be listened on.
Result<void> run_api(const ApiFlags& flags, ApiParts parts,
                     const std::function<void(std::uint16_t port, const std::string& model)>& on_listening);

}  // namespace longshore::cli
