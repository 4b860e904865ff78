#include "transport/http/http_connection.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "transport/async/deadline.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace longshore::http {
namespace asio = boost::asio;
namespace beast = boost::beast;
using async::kAsTuple;
using async::Task;
using async::with_deadline;
using boost::system::error_code;
namespace {

// What a client may send ahead while its answer is made; beyond it, it waits in the kernel.
constexpr std::size_t kPipelineBytesMax = 16u << 10;
constexpr std::size_t kReadBytes = 4096;
// How long a connection that we close goes on reading, so that a client in mid-upload sees the answer and no
// reset.
constexpr auto kLinger = std::chrono::seconds(3);

bool is_request_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("._:-").find(c) != std::string_view::npos;
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

Task<Result<error_code>> read_some(asio::ip::tcp::socket& socket, beast::flat_buffer& buffer) {
  const auto [error, bytes] = co_await socket.async_read_some(buffer.prepare(kReadBytes), kAsTuple);
  buffer.commit(bytes);
  co_return error;
}

template <typename Parser>
Task<Result<error_code>> parse_head(asio::ip::tcp::socket& socket,
                                    beast::flat_buffer& buffer,
                                    Parser& parser) {
  const auto result = co_await beast::http::async_read_header(socket, buffer, parser, kAsTuple);
  co_return std::get<0>(result);
}

template <typename Parser>
Task<Result<error_code>> parse_body(asio::ip::tcp::socket& socket,
                                    beast::flat_buffer& buffer,
                                    Parser& parser) {
  const auto result = co_await beast::http::async_read(socket, buffer, parser, kAsTuple);
  co_return std::get<0>(result);
}

Task<Result<error_code>> write_all(asio::ip::tcp::socket& socket, const std::string& bytes) {
  const auto result = co_await asio::async_write(socket, asio::buffer(bytes), kAsTuple);
  co_return std::get<0>(result);
}

Request take_request(beast::http::request<beast::http::string_body>& message, std::string id) {
  Request request{.method = std::string(message.method_string()), .id = std::move(id)};
  const std::string_view target = message.target();
  const std::size_t question = std::min(target.find('?'), target.size());
  request.path = target.substr(0, question);
  request.query = target.substr(std::min(question + 1, target.size()));
  for (const auto& field : message) request.headers.emplace_back(lower(field.name_string()), field.value());
  request.body = std::move(message.body());
  return request;
}

// What to tell a client whose request could not be read; nothing where it left.
std::optional<ApiError> read_error(const Result<error_code>& read, const HttpServerOptions& options) {
  using beast::http::error;
  if (!read) {
    if (read.error().code != ErrorCode::kDeadlineExceeded) return std::nullopt;
    return ApiError{.status = 408, .message = read.error().message, .code = "request_timeout"};
  }
  if (*read == error::body_limit)
    return ApiError{
        .status = 413,
        .message = "the body is larger than " + std::to_string(options.body_bytes_max) + " bytes; send less",
        .code = "body_too_large"};
  if (*read == error::header_limit || *read == error::buffer_overflow)
    return ApiError{.status = 431,
                    .message = "the head is larger than " + std::to_string(options.header_bytes_max) +
                               " bytes; send less",
                    .code = "head_too_large"};
  const bool is_syntax = read->category() == make_error_code(error::bad_method).category();
  if (!is_syntax || *read == error::end_of_stream || *read == error::partial_message) return std::nullopt;
  return ApiError{.message = "the request is not HTTP/1.1: " + read->message(), .code = "bad_request"};
}

ApiError bodies_full(const HttpServerOptions& options) {
  return {
      .status = 503,
      .message = "the requests being read hold " + std::to_string(options.bodies_bytes_max) + " bytes; retry",
      .code = "bodies_full"};
}

Response no_route(const Route* same_path) {
  if (same_path == nullptr)
    return error_response({.status = 404, .message = "no such path", .code = "path_not_found"});
  Response response = error_response(
      {.status = 405, .message = "this path takes " + same_path->method, .code = "method_not_allowed"});
  response.headers.emplace_back("Allow", same_path->method);
  return response;
}

}  // namespace

// The share of bodies_bytes_max that one request holds while it is read and handled.
class Connection::BodyBudget {
 public:
  explicit BodyBudget(ConnectionShared& shared) : shared_(shared) {}
  ~BodyBudget() { shared_.bodies_bytes -= bytes_; }
  BodyBudget(const BodyBudget&) = delete;
  BodyBudget& operator=(const BodyBudget&) = delete;

  bool take(std::uint64_t bytes) {
    if (bytes > shared_.options.bodies_bytes_max - shared_.bodies_bytes) return false;
    shared_.bodies_bytes += bytes;
    bytes_ += bytes;
    return true;
  }

 private:
  ConnectionShared& shared_;
  std::uint64_t bytes_ = 0;
};

Connection::Connection(ConnectionShared& shared, asio::ip::tcp::socket socket)
    : shared_(shared),
      socket_(std::move(socket)),
      buffer_(shared.options.header_bytes_max + 2 * kPipelineBytesMax + (64u << 10)),
      wake_(*shared.io) {
  shared_.connections.insert(this);
}

Connection::~Connection() { shared_.connections.erase(this); }

void Connection::drain() {
  if (idle_) socket_.cancel();
}

void Connection::abandon(Abandoned reason) {
  if (reply_) reply_->abandon(reason);
}

Task<void> Connection::run() {
  bool goes_on = true;
  while (goes_on) goes_on = co_await serve_one();
  co_await linger();
}

Task<void> Connection::refuse(ApiError error) {
  co_await send_error(std::move(error));
  co_await linger();
}

Task<bool> Connection::serve_one() {
  const HttpServerOptions& options = shared_.options;
  const bool has_request = co_await await_request();
  if (!has_request) co_return false;

  Parser parser;
  parser.header_limit(options.header_bytes_max);
  parser.body_limit(options.body_bytes_max);
  const bool has_head = co_await read_head(parser);
  if (!has_head) co_return false;

  BodyBudget budget(shared_);
  const bool has_body = co_await read_body(parser, budget);
  if (!has_body) co_return false;

  auto& message = parser.get();
  ReplyForm form;
  const std::string_view sent_id = message["x-request-id"];
  form.request_id = is_request_id(sent_id)
                        ? std::string(sent_id)
                        : "req-" + options.name + "-" + std::to_string(++shared_.requests_started);
  form.keep_alive = message.keep_alive() && !shared_.draining;
  form.chunked = message.version() >= 11;
  form.with_body = message.method() != beast::http::verb::head;
  Request request = take_request(message, form.request_id);
  const bool goes_on = co_await answer(std::move(request), std::move(form));
  co_return goes_on;
}

Task<bool> Connection::await_request() {
  if (buffer_.size() > 0) co_return true;
  if (shared_.draining) co_return false;
  idle_ = true;
  const auto read = co_await with_deadline(read_some(socket_, buffer_), shared_.options.idle_timeout,
                                           "waiting for a request");
  idle_ = false;
  co_return read && !*read;
}

Task<bool> Connection::read_head(Parser& parser) {
  const auto head = co_await with_deadline(parse_head(socket_, buffer_, parser),
                                           shared_.options.header_timeout, "the head of the request");
  if (head && !*head) co_return true;
  const auto error = read_error(head, shared_.options);
  if (error) co_await send_error(*error);
  co_return false;
}

Task<bool> Connection::read_body(Parser& parser, BodyBudget& budget) {
  const HttpServerOptions& options = shared_.options;
  if (!budget.take(parser.chunked() ? options.body_bytes_max : parser.content_length().value_or(0))) {
    const ApiError full = bodies_full(options);
    co_await send_error(full);
    co_return false;
  }
  if (parser.is_done()) co_return true;
  if (beast::iequals(parser.get()[beast::http::field::expect], "100-continue")) {
    const auto sent = co_await send_bytes("HTTP/1.1 100 Continue\r\n\r\n");
    if (!sent) co_return false;
  }
  const auto body = co_await with_deadline(parse_body(socket_, buffer_, parser), options.body_timeout,
                                           "the body of the request");
  if (body && !*body) co_return true;
  const auto error = read_error(body, options);
  if (error) co_await send_error(*error);
  co_return false;
}

Task<bool> Connection::answer(Request request, ReplyForm form) {
  using namespace asio::experimental::awaitable_operators;
  const TimePoint started = std::chrono::steady_clock::now();
  reply_ = std::make_shared<PendingReply>(
      shared_.io, [this] { wake(); }, std::move(form), shared_.options.stream_bytes_max);

  const auto [route, same_path] = find_route(request);
  if (route != nullptr)
    dispatch(std::move(request), route, reply_);
  else
    reply_->send(no_route(same_path));

  Gauge& in_flight = shared_.metrics.gauge("longshore_http_requests_in_flight", "Requests being answered",
                                           {{"server", shared_.options.name}});
  in_flight.add(1);
  co_await (async::as_root(watch()) || async::as_root(pump(*reply_)));
  in_flight.add(-1);

  const bool complete = reply_->complete();
  if (!complete) reply_->abandon(reply_->overflowed() ? Abandoned::kTooSlow : Abandoned::kClientLeft);
  count(route, complete ? reply_->status() : 499, started);
  const bool goes_on = complete && !reply_->closes();
  reply_->detach();
  reply_.reset();
  co_return goes_on;
}

Connection::Found Connection::find_route(const Request& request) const {
  Found found;
  for (const Route& route : shared_.routes) {
    if (route.path != request.path) continue;
    found.same_path = &route;
    if (route.method == request.method || (route.method == "GET" && request.method == "HEAD"))
      found.route = &route;
  }
  return found;
}

void Connection::dispatch(Request request, const Route* route, const std::shared_ptr<PendingReply>& reply) {
  auto work = [route, request = std::move(request), reply]() mutable {
    try {
      return route->handler(std::move(request), reply);
    } catch (const std::exception& e) {
      log::error("handler failed route={} error=\"{}\"", route->path, e.what());
    }
    reply->post([reply] {
      reply->send(error_response(
          {.status = 500, .message = "the handler failed; the log says why", .code = "internal"}));
    });
  };
  if (route->thread == HandlerThread::kWorker)
    asio::post(shared_.workers, std::move(work));
  else
    work();
}

Task<void> Connection::watch() {
  for (;;) {
    if (buffer_.size() >= kPipelineBytesMax) {
      asio::steady_timer never(*shared_.io, asio::steady_timer::time_point::max());
      co_await never.async_wait(kAsTuple);
      co_return;
    }
    const auto read = co_await read_some(socket_, buffer_);
    const bool cancelled = co_await async::is_cancelled();
    if (*read || cancelled) co_return;
  }
}

void Connection::wake() {
  wake_.cancel();
  if (reply_->overflowed()) socket_.cancel();  // ends the write that the client does not take
}

Task<void> Connection::pump(PendingReply& reply) {
  while (!reply.complete()) {
    if (reply.overflowed()) co_return;
    std::string bytes = reply.take();
    if (!bytes.empty()) {
      const auto sent = co_await send_bytes(std::move(bytes));
      if (!sent && sent.error().code == ErrorCode::kDeadlineExceeded) reply.abandon(Abandoned::kTooSlow);
      if (!sent) co_return;
      continue;
    }
    const Duration interval = reply.idle_interval();
    if (interval > Duration::zero())
      wake_.expires_after(interval);
    else
      wake_.expires_at(asio::steady_timer::time_point::max());
    const auto waited = co_await wake_.async_wait(kAsTuple);
    const bool cancelled = co_await async::is_cancelled();
    if (cancelled) co_return;
    if (!std::get<0>(waited)) reply.idle();
  }
}

Task<void> Connection::send_error(ApiError error) {
  count(nullptr, error.status, std::chrono::steady_clock::now());
  PendingReply reply(
      {}, [] {}, {.request_id = "none", .keep_alive = false}, 0);
  reply.send(error_response(error));
  static_cast<void>(co_await send_bytes(reply.take()));
}

Task<Result<void>> Connection::send_bytes(std::string bytes) {
  const auto sent =
      co_await with_deadline(write_all(socket_, bytes), shared_.options.write_timeout, "sending");
  if (!sent) co_return sent.error();
  if (*sent) co_return make_error(ErrorCode::kUnavailable, "sending: ", sent->message());
  co_return Result<void>();
}

Task<void> Connection::linger() {
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  buffer_.clear();
  const TimePoint end = std::chrono::steady_clock::now() + kLinger;
  while (!shared_.draining) {
    const Duration left = end - std::chrono::steady_clock::now();
    if (left <= Duration::zero()) break;
    const auto read = co_await with_deadline(read_some(socket_, buffer_), left, "lingering");
    const bool cancelled = co_await async::is_cancelled();
    if (!read || *read || cancelled) break;
    buffer_.clear();
  }
  socket_.close(ignored);
}

void Connection::count(const Route* route, int status, TimePoint started) {
  const std::string name = route != nullptr ? route->path : "other";
  const std::string& server = shared_.options.name;
  shared_.metrics
      .counter("longshore_http_requests_total", "Answered requests; 499: the client left or was too slow",
               {{"server", server}, {"route", name}, {"status", std::to_string(status)}})
      .add();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  shared_.metrics
      .histogram("longshore_http_request_seconds", "From the whole request to the whole answer",
                 kRequestBuckets, {{"server", server}, {"route", name}})
      .observe(seconds);
  log::debug("http server={} route={} status={} seconds={:.6f} request_id={}", server, name, status, seconds,
             reply_ ? reply_->request_id() : "none");
}

}  // namespace longshore::http
