#pragma once

#include "runtime/base/metrics.h"
#include "runtime/base/result.h"
#include "transport/async/task.h"
#include "transport/http/http_server.h"
#include "transport/http/pending_reply.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace longshore::http {

class Connection;

// What the connections of one server share. I/O thread, except what is const there.
struct ConnectionShared {
  HttpServerOptions options;
  std::vector<Route> routes;
  Metrics& metrics;
  std::shared_ptr<boost::asio::io_context> io;
  boost::asio::thread_pool workers;
  bool draining = false;
  std::uint64_t bodies_bytes = 0;          // of options.bodies_bytes_max
  std::uint64_t requests_started = 0;      // numbers the request ids that we make
  std::set<Connection*> connections = {};  // registered by themselves
};

// One client: reads requests, hands them to their handlers, sends what these reply, one at a time. I/O
// thread.
class Connection {
 public:
  Connection(ConnectionShared& shared, boost::asio::ip::tcp::socket socket);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Returns when the connection has ended.
  async::Task<void> run();
  // Answers one error without reading a request, then ends.
  async::Task<void> refuse(ApiError error);

  // A server that drains: an idle connection ends now, a busy one after its answer.
  void drain();
  // Tells the handler of the request in progress that the server stops.
  void abandon(Abandoned reason);

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  class BodyBudget;
  struct Found {
    const Route* route = nullptr;
    const Route* same_path = nullptr;  // of another method, perhaps
  };

  // The stages of one request. Those that return false have said why to the client, where it can still be
  // told.
  async::Task<bool> serve_one();
  async::Task<bool> await_request();
  async::Task<bool> read_head(Parser& parser);
  async::Task<bool> read_body(Parser& parser, BodyBudget& budget);
  async::Task<bool> answer(Request request, ReplyForm form);

  async::Task<void> watch();                    // ends when the client leaves
  async::Task<void> pump(PendingReply& reply);  // ends when the answer is sent or cannot be
  void wake();                                  // the reply has news
  async::Task<void> send_error(ApiError error);
  async::Task<void> linger();
  async::Task<Result<void>> send_bytes(std::string bytes);
  Found find_route(const Request& request) const;
  void dispatch(Request request, const Route* route, const std::shared_ptr<PendingReply>& reply);
  void count(const Route* route, int status, TimePoint started);

  ConnectionShared& shared_;
  boost::asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;  // received and not yet parsed
  boost::asio::steady_timer wake_;    // cancelled when the reply has news
  bool idle_ = false;
  std::shared_ptr<PendingReply> reply_;  // of the request in progress
};

}  // namespace longshore::http
