#pragma once

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/result.h"
#include "transport/http/reply.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace longshore::http {

struct HttpServerOptions {
  std::string name = "api";  // metric label and log field: api, admin, control
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;                    // 0: any free one
  std::uint32_t connections_max = 1024;         // one more is answered 503 and closed
  std::uint32_t header_bytes_max = 32u << 10;   // 431 beyond
  std::uint64_t body_bytes_max = 16u << 20;     // 413 beyond
  std::uint64_t bodies_bytes_max = 256u << 20;  // of all requests being read or handled; 503 beyond
  std::uint64_t stream_bytes_max = 1u << 20;    // written by a handler and not yet taken by its client
  std::uint32_t worker_threads = 2;
  Duration idle_timeout = std::chrono::seconds(75);    // kept-alive connection without a request: closed
  Duration header_timeout = std::chrono::seconds(10);  // first to last byte of a request's head: 408
  Duration body_timeout = std::chrono::seconds(60);    // of its body: 408
  Duration write_timeout = std::chrono::seconds(30);   // one write of at most stream_bytes_max
};

// Errors: kInvalidArgument naming the option, its value and its range.
Result<void> validate(const HttpServerOptions& options);

// HTTP/1.1 over TCP: an accept loop and one coroutine per connection on one I/O thread, handlers on a few
// workers. Knows nothing of what it serves; the gateway and every role's admin port are lists of routes.
//
// A client that leaves is noticed while its answer is being made, streamed or not. Unknown paths get 404,
// wrong methods 405, each error the JSON envelope of message.h. Every answer carries x-request-id. Metrics,
// labels server and route (a route's path, or "other"): longshore_http_requests_total (and status),
// longshore_http_request_seconds; label server: longshore_http_requests_in_flight,
// longshore_http_connections.
//
// Requires: stop() has returned before the destructor runs (CHECKed); `metrics` and whatever the routes refer
// to outlive that. Thread: create, stop and the destructor on one thread; port() on any.
class HttpServer {
 public:
  // Listens and accepts from now on. Errors: kInvalidArgument (options, two routes of one method and path),
  // kUnavailable (address in use, not ours to bind), naming host and port.
  static Result<std::unique_ptr<HttpServer>> create(HttpServerOptions options,
                                                    std::vector<Route> routes,
                                                    Metrics& metrics);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;

  // Stops accepting, closes idle connections, lets running requests finish until `drain` is over, then tells
  // the rest (Abandoned::kStopping), flushes for at most a second and returns with every thread joined.
  void stop(Duration drain);

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace longshore::http
