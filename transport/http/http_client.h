#pragma once

#include "runtime/base/clock.h"
#include "runtime/base/result.h"
#include "transport/http/message.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace longshore::http {

struct HttpClientOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  Duration connect_timeout = std::chrono::seconds(5);
  Duration read_timeout = std::chrono::seconds(60);  // longest silence while an answer is awaited or streamed
  Duration write_timeout = std::chrono::seconds(30);
  std::uint64_t body_bytes_max = 64u << 20;  // of an answer that is not streamed
};

// One HTTP/1.1 connection to one server, for the control plane and the command line. Connects at the first
// request and again after a broken one; never repeats a request by itself. Thread: one at a time; cancel()
// from any.
class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any status is a value. Errors: kUnavailable (no connection, connection lost), kDeadlineExceeded,
  // kCancelled, kResourceExhausted (answer beyond body_bytes_max), kInternal (not HTTP); each names host and
  // port.
  Result<Response> fetch(const Request& request);

  // As fetch, but a body with status 200 is handed on as it comes and the response returned has none;
  // `on_bytes` returning false ends the exchange with kCancelled and closes the connection, which is how a
  // server learns of it.
  using OnBytes = std::function<bool(std::string_view)>;
  Result<Response> stream(const Request& request, const OnBytes& on_bytes);

  // Ends the request in progress with kCancelled, if there is one; whether there was.
  bool cancel();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace longshore::http
