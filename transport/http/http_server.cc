#include "transport/http/http_server.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "transport/async/deadline.h"
#include "transport/async/task_group.h"
#include "transport/http/http_connection.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <set>
#include <thread>
#include <utility>

namespace longshore::http {
namespace asio = boost::asio;
using asio::ip::tcp;
using async::kAsTuple;
using async::Task;
namespace {

// Connections beyond connections_max that may be told so at the same time; more are closed without a word.
constexpr std::size_t kRefusalsMax = 64;
constexpr auto kAcceptPause =
    std::chrono::milliseconds(50);                    // after an accept that failed: no file descriptors left
constexpr auto kLastWords = std::chrono::seconds(1);  // to flush what handlers say when the server stops

Result<tcp::endpoint> resolve(const HttpServerOptions& options) {
  boost::system::error_code error;
  const asio::ip::address address = asio::ip::make_address(options.host, error);
  if (!error) return tcp::endpoint(address, options.port);
  asio::io_context io;
  const auto found =
      tcp::resolver(io).resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  if (error || found.empty())
    return make_error(ErrorCode::kUnavailable, "host ", options.host,
                      " cannot be resolved: ", error.message());
  return found.begin()->endpoint();
}

Result<void> listen(tcp::acceptor& acceptor, const HttpServerOptions& options) {
  const auto endpoint = resolve(options);
  if (!endpoint) return endpoint.error();
  boost::system::error_code error;
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return make_error(ErrorCode::kUnavailable, "cannot listen on ", options.host, ":", options.port, ": ",
                      error.message(), "; choose another --host or --port");
  return {};
}

ApiError connections_full(const HttpServerOptions& options) {
  return {.status = 503,
          .message = "the server has its " + std::to_string(options.connections_max) + " connections; retry",
          .code = "connections_full"};
}

}  // namespace

struct HttpServer::State {
  State(HttpServerOptions options, std::vector<Route> routes, Metrics& metrics)
      : shared{.options = options,
               .routes = std::move(routes),
               .metrics = metrics,
               .io = std::make_shared<asio::io_context>(1),
               .workers = asio::thread_pool(options.worker_threads)},
        acceptor(*shared.io),
        group(shared.io->get_executor(), "http " + options.name, options.connections_max + kRefusalsMax + 1),
        stopper(shared.io->get_executor(), "http stop " + options.name, 1),
        work(asio::make_work_guard(*shared.io)) {}

  Task<void> accept();
  Task<void> serve(tcp::socket socket);
  Task<void> shut_down(Duration drain);
  Task<Result<void>> all_ended();
  void run();

  ConnectionShared shared;
  tcp::acceptor acceptor;
  async::TaskGroup group;    // the accept loop and every connection
  async::TaskGroup stopper;  // the end of the group
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::uint16_t port = 0;
  std::thread thread;
};

Task<void> HttpServer::State::accept() {
  while (!shared.draining) {
    auto [error, socket] = co_await acceptor.async_accept(kAsTuple);
    const bool cancelled = co_await async::is_cancelled();
    if (shared.draining || cancelled) co_return;
    if (error) {
      log::warn("accept failed server={} error=\"{}\"", shared.options.name, error.message());
      asio::steady_timer pause(*shared.io, kAcceptPause);
      co_await pause.async_wait(kAsTuple);
      continue;
    }
    group.spawn(serve(std::move(socket)));
  }
}

Task<void> HttpServer::State::serve(tcp::socket socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  Gauge& open = shared.metrics.gauge("longshore_http_connections", "Open connections",
                                     {{"server", shared.options.name}});
  Connection connection(shared, std::move(socket));
  open.add(1);
  if (shared.connections.size() > shared.options.connections_max)
    co_await connection.refuse(connections_full(shared.options));
  else
    co_await connection.run();
  open.add(-1);
}

Task<Result<void>> HttpServer::State::all_ended() {
  co_await group.wait();
  co_return Result<void>();
}

Task<void> HttpServer::State::shut_down(Duration drain) {
  shared.draining = true;
  group.close();
  boost::system::error_code ignored;
  acceptor.close(ignored);
  for (Connection* connection : shared.connections) connection->drain();
  const auto drained = co_await async::with_deadline(all_ended(), drain, "draining");
  if (!drained) {
    if (!shared.connections.empty())
      log::warn("connections outlive the drain server={} connections={}", shared.options.name,
                shared.connections.size());
    for (Connection* connection : shared.connections) connection->abandon(Abandoned::kStopping);
    static_cast<void>(co_await async::with_deadline(all_ended(), kLastWords, "last words"));
  }
  group.cancel();
  co_await group.wait();
  work.reset();
}

void HttpServer::State::run() {
  for (;;) {
    try {
      shared.io->run();
      return;
    } catch (const std::exception& e) {
      log::error("an action on the I/O thread failed server={} error=\"{}\"", shared.options.name, e.what());
    }
  }
}

Result<void> validate(const HttpServerOptions& o) {
  const auto refuse = [](std::string_view option, auto value, std::string_view range) {
    return make_error(ErrorCode::kInvalidArgument, "HTTP server option ", option, " is ", value,
                      "; it must be in ", range);
  };
  if (o.connections_max < 1 || o.connections_max > 65536)
    return refuse("connections_max", o.connections_max, "[1, 65536]");
  if (o.header_bytes_max < 1024 || o.header_bytes_max > (1u << 20))
    return refuse("header_bytes_max", o.header_bytes_max, "[1024, 1048576]");
  if (o.body_bytes_max > (1ull << 32)) return refuse("body_bytes_max", o.body_bytes_max, "[0, 4294967296]");
  if (o.bodies_bytes_max < o.body_bytes_max)
    return refuse("bodies_bytes_max", o.bodies_bytes_max, "[body_bytes_max, ...)");
  if (o.stream_bytes_max < 4096) return refuse("stream_bytes_max", o.stream_bytes_max, "[4096, ...)");
  if (o.worker_threads < 1 || o.worker_threads > 64)
    return refuse("worker_threads", o.worker_threads, "[1, 64]");
  return {};
}

Result<std::unique_ptr<HttpServer>> HttpServer::create(HttpServerOptions options,
                                                       std::vector<Route> routes,
                                                       Metrics& metrics) {
  if (const auto valid = validate(options); !valid) return valid.error();
  std::set<std::pair<std::string, std::string>> seen;
  for (const Route& route : routes)
    if (!seen.emplace(route.method, route.path).second)
      return make_error(ErrorCode::kInvalidArgument, "two routes answer ", route.method, " ", route.path);

  auto state = std::make_unique<State>(std::move(options), std::move(routes), metrics);
  if (const auto listening = listen(state->acceptor, state->shared.options); !listening)
    return listening.error();
  state->port = state->acceptor.local_endpoint().port();
  state->group.spawn(state->accept());
  state->thread = std::thread([raw = state.get()] { raw->run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() { CHECK(!state_->thread.joinable()) << "HttpServer destroyed before stop()"; }

std::uint16_t HttpServer::port() const { return state_->port; }

void HttpServer::stop(Duration drain) {
  if (!state_->thread.joinable()) return;
  asio::post(*state_->shared.io,
             [state = state_.get(), drain] { state->stopper.spawn(state->shut_down(drain)); });
  state_->thread.join();
  state_->shared.workers.join();
}

Handler respond(std::function<Response(const Request&)> answer) {
  return [answer = std::move(answer)](Request request, std::shared_ptr<Reply> reply) {
    Response response = answer(request);
    reply->post([reply, response = std::move(response)]() mutable { reply->send(std::move(response)); });
  };
}

}  // namespace longshore::http
