#include "transport/http/http_client.h"

#include "transport/async/deadline.h"
#include "transport/async/task_group.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>

#include <array>
#include <atomic>
#include <optional>
#include <utility>

namespace longshore::http {
namespace asio = boost::asio;
namespace beast = boost::beast;
using async::kAsTuple;
using async::Task;
using async::with_deadline;
using boost::system::error_code;
namespace {

constexpr std::size_t kPieceBytes = 16u << 10;  // of a body, handed on at once
constexpr std::uint32_t kHeadBytesMax = 64u << 10;

using Parser = beast::http::response_parser<beast::http::buffer_body>;

Task<Result<error_code>> connect(asio::ip::tcp::socket& socket, std::string host, std::uint16_t port) {
  asio::ip::tcp::resolver resolver(socket.get_executor());
  const auto [unresolved, endpoints] = co_await resolver.async_resolve(host, std::to_string(port), kAsTuple);
  if (unresolved) co_return unresolved;
  const auto connected = co_await asio::async_connect(socket, endpoints, kAsTuple);
  co_return std::get<0>(connected);
}

Task<Result<error_code>> write_all(asio::ip::tcp::socket& socket, const std::string& bytes) {
  const auto written = co_await asio::async_write(socket, asio::buffer(bytes), kAsTuple);
  co_return std::get<0>(written);
}

Task<Result<error_code>> read_head(asio::ip::tcp::socket& socket,
                                   beast::flat_buffer& buffer,
                                   Parser& parser) {
  const auto read = co_await beast::http::async_read_header(socket, buffer, parser, kAsTuple);
  co_return std::get<0>(read);
}

Task<Result<error_code>> read_piece(asio::ip::tcp::socket& socket,
                                    beast::flat_buffer& buffer,
                                    Parser& parser) {
  const auto read = co_await beast::http::async_read_some(socket, buffer, parser, kAsTuple);
  co_return std::get<0>(read);
}

std::string to_bytes(const Request& request, const HttpClientOptions& options) {
  std::string bytes = request.method + ' ' + request.path;
  if (!request.query.empty()) bytes += '?' + request.query;
  bytes += " HTTP/1.1\r\nHost: " + options.host + ':' + std::to_string(options.port) + "\r\n";
  if (!request.id.empty()) bytes += "X-Request-Id: " + request.id + "\r\n";
  for (const auto& [name, value] : request.headers) bytes += name + ": " + value + "\r\n";
  if (!request.body.empty()) bytes += "Content-Type: application/json\r\n";
  return bytes + "Content-Length: " + std::to_string(request.body.size()) + "\r\n\r\n" + request.body;
}

}  // namespace

struct HttpClient::State {
  explicit State(HttpClientOptions given) : options(std::move(given)), socket(io) {}

  Result<Response> run(const Request& request, const OnBytes* on_bytes);
  Task<void> exchange(const Request& request, const OnBytes* on_bytes);
  Task<Result<Response>> answer(const Request& request, const OnBytes* on_bytes);
  Task<Result<void>> body(Parser& parser, Response& response, const OnBytes* on_bytes);
  Result<void> check(const Result<error_code>& step, std::string_view what) const;
  std::string peer() const { return options.host + ":" + std::to_string(options.port); }

  HttpClientOptions options;
  asio::io_context io{1};
  asio::ip::tcp::socket socket;
  beast::flat_buffer buffer;
  async::TaskGroup* running = nullptr;     // of the request in progress; the calling thread's
  std::atomic<std::uint64_t> requests{0};  // odd while one is in progress
  std::optional<Result<Response>> outcome;
};

Result<void> HttpClient::State::check(const Result<error_code>& step, std::string_view what) const {
  if (!step) return make_error(step.error().code, what, " ", peer(), ": ", step.error().message);
  if (!*step) return {};
  if (*step == asio::error::operation_aborted)
    return make_error(ErrorCode::kCancelled, what, " ", peer(), " was cancelled");
  const bool is_syntax = step->category() == make_error_code(beast::http::error::bad_method).category() &&
                         *step != beast::http::error::end_of_stream &&
                         *step != beast::http::error::partial_message;
  return make_error(is_syntax ? ErrorCode::kInternal : ErrorCode::kUnavailable, what, " ", peer(), ": ",
                    step->message());
}

Task<Result<Response>> HttpClient::State::answer(const Request& request, const OnBytes* on_bytes) {
  if (!socket.is_open()) {
    buffer.clear();
    const auto connected = co_await with_deadline(connect(socket, options.host, options.port),
                                                  options.connect_timeout, "connecting");
    if (const auto good = check(connected, "connecting to"); !good) co_return good.error();
    socket.set_option(asio::ip::tcp::no_delay(true));
  }
  const std::string bytes = to_bytes(request, options);
  const auto sent = co_await with_deadline(write_all(socket, bytes), options.write_timeout, "sending");
  if (const auto good = check(sent, "sending to"); !good) co_return good.error();

  Parser parser;
  parser.header_limit(kHeadBytesMax);
  parser.body_limit(boost::none);
  if (request.method == "HEAD") parser.skip(true);
  const auto head =
      co_await with_deadline(read_head(socket, buffer, parser), options.read_timeout, "waiting");
  if (const auto good = check(head, "waiting for an answer of"); !good) co_return good.error();

  Response response{.status = static_cast<int>(parser.get().result_int())};
  response.content_type = parser.get()[beast::http::field::content_type];
  for (const auto& field : parser.get()) response.headers.emplace_back(field.name_string(), field.value());
  const auto read = co_await body(parser, response, response.status == 200 ? on_bytes : nullptr);
  if (!read) co_return read.error();
  if (!parser.get().keep_alive()) socket.close();
  co_return response;
}

Task<Result<void>> HttpClient::State::body(Parser& parser, Response& response, const OnBytes* on_bytes) {
  std::array<char, kPieceBytes> piece;
  while (!parser.is_done()) {
    auto& target = parser.get().body();
    target.data = piece.data();
    target.size = piece.size();
    auto read = co_await with_deadline(read_piece(socket, buffer, parser), options.read_timeout, "reading");
    if (read && *read == beast::http::error::need_buffer) *read = error_code();
    if (const auto good = check(read, "reading the answer of"); !good) co_return good.error();
    const std::string_view bytes(piece.data(), piece.size() - target.size);
    if (bytes.empty()) continue;
    if (on_bytes != nullptr) {
      if (!(*on_bytes)(bytes))
        co_return make_error(ErrorCode::kCancelled, "the answer of ", peer(), " is not wanted any more");
    } else if (response.body.size() + bytes.size() > options.body_bytes_max) {
      co_return make_error(ErrorCode::kResourceExhausted, "the answer of ", peer(), " is larger than ",
                           options.body_bytes_max, " bytes");
    } else {
      response.body += bytes;
    }
  }
  co_return Result<void>();
}

Task<void> HttpClient::State::exchange(const Request& request, const OnBytes* on_bytes) {
  outcome = co_await answer(request, on_bytes);
}

Result<Response> HttpClient::State::run(const Request& request, const OnBytes* on_bytes) {
  io.restart();
  outcome = make_error(ErrorCode::kInternal, "the exchange with ", peer(), " failed; the log says why");
  {
    async::TaskGroup group(io.get_executor(), "http client", 1);
    running = &group;
    requests += 1;
    group.spawn(exchange(request, on_bytes));
    io.run();
    requests += 1;
    running = nullptr;
  }
  if (!*outcome) {
    error_code ignored;
    socket.close(ignored);
  }
  return *std::exchange(outcome, std::nullopt);
}

HttpClient::HttpClient(HttpClientOptions options) : state_(std::make_unique<State>(std::move(options))) {}
HttpClient::~HttpClient() = default;

Result<Response> HttpClient::fetch(const Request& request) { return state_->run(request, nullptr); }

Result<Response> HttpClient::stream(const Request& request, const OnBytes& on_bytes) {
  return state_->run(request, &on_bytes);
}

bool HttpClient::cancel() {
  // What was meant for one request must not end the next: a posted action waits for whoever runs the loop.
  const std::uint64_t current = state_->requests;
  if (current % 2 == 0) return false;
  asio::post(state_->io, [state = state_.get(), current] {
    if (state->requests != current || state->running->running() == 0) return;
    state->outcome = make_error(ErrorCode::kCancelled, "the request to ", state->peer(), " was cancelled");
    state->running->cancel();  // an exchange that had begun says where
  });
  return true;
}

}  // namespace longshore::http
