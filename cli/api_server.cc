#include "cli/api_server.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <utility>

#include "cli/cluster_flags.h"
#include "cli/signals.h"
#include "cli/version.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/kernels/numerics_version.h"
#include "scheduler/gateway/gateway.h"
#include "scheduler/gateway/text_model.h"
#include "transport/http/http_server.h"

namespace longshore::cli {
namespace {

// A token through the whole path: queue, step, every attention node of the plan, sampling.
Result<void> probe(service::GenerationService& service) {
  struct Outcome {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result<void>> result;
  };
  const auto outcome = std::make_shared<Outcome>();
  service::GenerationRequest request;
  request.prompt = {0};
  request.max_tokens = 1;
  request.sampling.temperature = 0;
  request.asks_every_holder = true;
  const Result<SequenceId> sequence = service.start(std::move(request), [outcome](const service::GenerationEvent& event) {
    std::lock_guard lock(outcome->mutex);
    if (event.error) outcome->result = *event.error;
    else if (event.finish) outcome->result = Result<void>();
    outcome->changed.notify_all();
  });
  if (!sequence) return sequence.error();
  constexpr std::chrono::seconds kLimit{30};  // prompts in the queue before it may take their time
  std::unique_lock lock(outcome->mutex);
  if (outcome->changed.wait_for(lock, kLimit, [&] { return outcome->result.has_value(); })) return *outcome->result;
  lock.unlock();
  service.cancel(*sequence);
  return make_error(ErrorCode::kDeadlineExceeded, "a probe token took more than ", kLimit.count(), " s");
}

Result<text::ChatTemplate> choose_template(const ApiFlags& flags, const text::Tokenizer& tokenizer) {
  if (!flags.chat_template.empty()) return text::ChatTemplate::by_name(flags.chat_template);
  return text::ChatTemplate::recognise(tokenizer.chat_template_text());
}

}  // namespace

void add_api_flags(CLI::App& app, ApiFlags& flags) {
  const auto add = [&](const std::string& spellings, auto& value, const std::string& text) {
    with_environment(app.add_option(spellings, value, text))->capture_default_str();
  };
  add("--host", flags.host, "Address to listen on");
  add("--port", flags.port, "Port to listen on; 0: any free one");
  add("--served-model-name,--alias", flags.served_name, "Name of the model in the API");
  add("--chat-template", flags.chat_template, "Family of the chat template, where the file's is not recognised");
  add("--queue", flags.queue, "Requests that may wait; more are answered 429");
  add_preset_server_flags(app, flags.presets);
  add("--drain-seconds", flags.drain_seconds, "How long running requests may take after SIGTERM");
}

Result<void> run_api(const ApiFlags& flags, ApiParts parts,
                     const std::function<void(std::uint16_t port, const std::string& model)>& on_listening) {
  const Result<Presets> presets = Presets::create(flags.presets);
  if (!presets) return presets.error();
  Result<text::ChatTemplate> chat_template = choose_template(flags, parts.tokenizer);
  if (!chat_template) {
    if (!flags.chat_template.empty()) return chat_template.error();
    log::warn("{}", chat_template.error().message);
  }
  const std::unique_ptr<gateway::TextModel> text = gateway::make_text_model(parts.tokenizer, std::move(chat_template));

  gateway::GatewayOptions options;
  options.model = flags.served_name.empty() ? parts.model_name : flags.served_name;
  options.version = std::string(kVersion);
  options.numerics = std::to_string(kernels::kNumericsVersion);
  options.model_sha256 = to_hex(parts.model);
  const auto unix_seconds = [] {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  };
  options.created = unix_seconds();
  std::mutex random_mutex;
  Random random(std::random_device{}());
  const auto next_random = [&] {
    std::lock_guard lock(random_mutex);
    return random();
  };
  Result<std::unique_ptr<gateway::Gateway>> gateway = gateway::Gateway::create(
      options, {parts.loop, *text, parts.metrics, parts.clock, next_random, unix_seconds,
                [&](const PresetChoice& choice) { return presets->resolve(choice); }, [&] { return probe(parts.loop); }});
  if (!gateway) return gateway.error();
  std::vector<http::Route> routes = (*gateway)->routes();
  std::move(parts.routes.begin(), parts.routes.end(), std::back_inserter(routes));

  http::HttpServerOptions http_options;
  http_options.host = flags.host;
  http_options.port = flags.port;
  Result<std::unique_ptr<http::HttpServer>> server =
      http::HttpServer::create(http_options, std::move(routes), parts.metrics);
  if (!server) return server.error();
  on_listening((*server)->port(), options.model);

  log::info("{}: finishing running requests, at most {} s", wait_for_signal() == SIGINT ? "SIGINT" : "SIGTERM",
            flags.drain_seconds);
  (*gateway)->drain();
  parts.loop.drain(std::chrono::seconds(flags.drain_seconds));
  (*server)->stop(std::chrono::seconds(5));
  parts.loop.stop();
  return {};
}

}  // namespace longshore::cli
