#include "transport/http/admin_routes.h"

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace longshore::http {
namespace {

// The last outcome of a probe that costs a decode: whoever asks in between, or while one runs, gets that.
class Readiness {
 public:
  Readiness(const Clock& clock, Duration period, std::function<Result<void>()> probe)
      : clock_(clock), period_(period), probe_(std::move(probe)) {}

  Result<void> ask() {
    std::unique_lock probing(probing_, std::try_to_lock);
    if (!probing) return last();
    if (clock_.now() < valid_until_) return last();
    Result<void> outcome = probe_();
    const std::scoped_lock lock(mutex_);
    last_ = outcome;
    valid_until_ = clock_.now() + period_;
    return outcome;
  }

 private:
  Result<void> last() {
    const std::scoped_lock lock(mutex_);
    return last_;
  }

  const Clock& clock_;
  const Duration period_;
  const std::function<Result<void>()> probe_;
  std::mutex probing_;  // held by the caller that probes; guards valid_until_
  TimePoint valid_until_ = TimePoint::min();
  std::mutex mutex_;  // guards last_
  Result<void> last_ = make_error(ErrorCode::kUnavailable, "the first readiness probe has not ended yet");
};

Response version_response(const AdminOptions& options) {
  Response response{.body = "{\"version\":"};
  append_json_string(response.body, options.version);
  response.body += ",\"numerics\":";
  append_json_string(response.body, options.numerics);
  response.body += ",\"model\":";
  append_json_string(response.body, options.model);
  response.body += '}';
  return response;
}

}  // namespace

std::vector<Route> admin_routes(AdminOptions options,
                                Metrics& metrics,
                                const Clock& clock,
                                std::function<Result<void>()> probe) {
  auto readiness = std::make_shared<Readiness>(clock, options.probe_period, std::move(probe));
  const Handler ready = respond([readiness](const Request&) {
    const auto outcome = readiness->ask();
    if (outcome) return Response{.body = "{\"status\":\"ok\"}"};
    ApiError error = to_api_error(outcome.error());
    error.status = 503;  // whatever the cause, a load balancer must look elsewhere
    return error_response(error);
  });
  const Handler live = respond([](const Request&) { return Response{.body = "{\"status\":\"ok\"}"}; });
  const Handler text = respond([&metrics](const Request&) {
    return Response{.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics.text()};
  });
  const Handler version = respond([options](const Request&) { return version_response(options); });
  return {{"GET", "/livez", live, HandlerThread::kIo},
          {"GET", "/readyz", ready},
          {"GET", "/health", ready},
          {"GET", "/metrics", text},
          {"GET", "/version", version, HandlerThread::kIo}};
}

}  // namespace longshore::http
