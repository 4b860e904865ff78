// `longshore serve`: scheduler, compute node and attention nodes in one process.
#include <csignal>
#include <cstdio>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>

#include "cli/cluster_flags.h"
#include "cli/command.h"
#include "cli/local_service.h"
#include "cli/placement_reply.h"
#include "cli/version.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/kernels/numerics_version.h"
#include "scheduler/gateway/gateway.h"
#include "scheduler/gateway/text_model.h"
#include "transport/http/http_server.h"

namespace longshore::cli {
namespace {

struct ServeFlags {
  ClusterFlags cluster;
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string served_name;
  std::string chat_template;
  std::uint32_t queue = 256;
  std::uint32_t drain_seconds = 30;
};

// A token through the whole path: queue, step, sampling.
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

Result<text::ChatTemplate> choose_template(const ServeFlags& flags, const text::Tokenizer& tokenizer) {
  if (!flags.chat_template.empty()) return text::ChatTemplate::by_name(flags.chat_template);
  return text::ChatTemplate::recognise(tokenizer.chat_template_text());
}

// Waits for SIGINT or SIGTERM. Requires: both are blocked in every thread.
int wait_for_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  int signal = 0;
  sigwait(&signals, &signal);
  return signal;
}

void block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Result<void> serve(const ServeFlags& flags) {
  block_signals();
  Result<std::unique_ptr<LocalService>> local = LocalService::create(flags.cluster, flags.queue);
  if (!local) return local.error();
  const LoadedModel& model = (*local)->model();
  service::StepLoop& loop = (*local)->loop();
  Metrics& metrics = (*local)->metrics();

  Result<text::ChatTemplate> chat_template = choose_template(flags, *model.tokenizer);
  if (!chat_template) {
    if (!flags.chat_template.empty()) return chat_template.error();
    log::warn("{}", chat_template.error().message);
  }
  const std::unique_ptr<gateway::TextModel> text = gateway::make_text_model(*model.tokenizer, std::move(chat_template));

  gateway::GatewayOptions options;
  options.model = flags.served_name.empty() ? model.name : flags.served_name;
  options.version = std::string(kVersion);
  options.numerics = std::to_string(kernels::kNumericsVersion);
  options.model_sha256 = to_hex(model.file->sha256());
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
      options, {loop, *text, metrics, (*local)->clock(), next_random, unix_seconds, [&] { return probe(loop); }});
  if (!gateway) return gateway.error();
  std::vector<http::Route> routes = (*gateway)->routes();
  routes.push_back({"GET", "/placement", http::respond([&](const http::Request&) {
                      http::Response response;
                      response.body = placement_json((*local)->cluster());
                      return response;
                    })});

  http::HttpServerOptions http_options;
  http_options.host = flags.host;
  http_options.port = flags.port;
  Result<std::unique_ptr<http::HttpServer>> server = http::HttpServer::create(http_options, std::move(routes), metrics);
  if (!server) return server.error();
  std::printf("ready http://%s:%u model=%s context=%u isa=%s threads=%u attention_nodes=%u transport=%s\n",
              flags.host.c_str(), (*server)->port(), options.model.c_str(), (*local)->cluster().context_tokens(),
              std::string(kernels::to_string((*local)->isa())).c_str(), model.pool->threads(),
              flags.cluster.attention_nodes, flags.cluster.transport.c_str());
  std::fflush(stdout);

  log::info("{}: finishing running requests, at most {} s", wait_for_signal() == SIGINT ? "SIGINT" : "SIGTERM",
            flags.drain_seconds);
  (*gateway)->drain();
  loop.drain(std::chrono::seconds(flags.drain_seconds));
  (*server)->stop(std::chrono::seconds(5));
  loop.stop();
  return {};
}

}  // namespace

Run add_serve(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("serve", "Serve a model over HTTP, with all roles in this process");
  auto flags = std::make_shared<ServeFlags>();
  add_cluster_flags(*subcommand, flags->cluster);
  const auto add = [&](const std::string& spellings, auto& value, const std::string& text) {
    with_environment(subcommand->add_option(spellings, value, text))->capture_default_str();
  };
  add("--host", flags->host, "Address to listen on");
  add("--port", flags->port, "Port to listen on; 0: any free one");
  add("--served-model-name,--alias", flags->served_name, "Name of the model in the API");
  add("--chat-template", flags->chat_template, "Family of the chat template, where the file's is not recognised");
  add("--queue", flags->queue, "Requests that may wait; more are answered 429");
  add("--drain-seconds", flags->drain_seconds, "How long running requests may take after SIGTERM");
  return [flags] {
    const Result<void> served = serve(*flags);
    return served ? 0 : fail(served.error());
  };
}

}  // namespace longshore::cli
