#include "transport/http/http_server.h"

#include "transport/http/admin_routes.h"
#include "transport/http/http_client.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

namespace longshore::http {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;

// A client that says exactly what a test wants.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(io_) {
    socket_.connect({boost::asio::ip::make_address("127.0.0.1"), port});
  }
  bool send(std::string_view bytes) {
    boost::system::error_code error;
    boost::asio::write(socket_, boost::asio::buffer(bytes.data(), bytes.size()), error);
    return !error;
  }
  // All until the server closes, or until `end` has been seen.
  std::string read(std::string_view end = {}) {
    std::string all;
    std::array<char, 4096> piece;
    boost::system::error_code error;
    while (!error && (end.empty() || all.find(end) == std::string::npos))
      all.append(piece.data(), socket_.read_some(boost::asio::buffer(piece), error));
    return all;
  }
  void close() { socket_.close(); }

 private:
  boost::asio::io_context io_;
  tcp::socket socket_;
};

class HttpServerTest : public testing::Test {
 protected:
  void serve(HttpServerOptions options = {}) {
    options.port = 0;
    std::vector<Route> routes = {
        {"GET", "/hello", respond([](const Request& r) { return Response{.body = "hi " + r.query}; })},
        {"POST", "/echo", respond([](const Request& r) { return Response{.body = r.body}; })},
        {"GET", "/throw", respond([](const Request&) -> Response { throw std::runtime_error("broken"); })},
        {"GET", "/hold", [this](Request, std::shared_ptr<Reply> reply) { hold(std::move(reply)); }},
        {"GET", "/ignore", [](Request, std::shared_ptr<Reply>) {}},
        {"GET", "/flood", [this](Request, std::shared_ptr<Reply> reply) { flood(std::move(reply)); }},
        {"GET", "/ticks", [](Request, std::shared_ptr<Reply> reply) { ticks(std::move(reply)); }}};
    auto created = HttpServer::create(options, std::move(routes), metrics_);
    ASSERT_TRUE(created) << created.error().message;
    server_ = std::move(*created);
  }
  void TearDown() override {
    if (server_) server_->stop(0ms);
  }

  // Never answers; `abandoned_` becomes why.
  void hold(std::shared_ptr<Reply> reply) {
    reply->post([this, reply] {
      reply->on_abandoned([this](Abandoned reason) { abandoned_.set_value(reason); });
      held_.set_value();
    });
  }
  // Writes faster than anybody reads.
  void flood(std::shared_ptr<Reply> reply) {
    reply->post([this, reply] {
      reply->on_abandoned([this](Abandoned reason) { abandoned_.set_value(reason); });
      reply->begin({.content_type = "text/plain"});
      pour(reply);
    });
  }
  void pour(const std::shared_ptr<Reply>& reply) {
    reply->write(std::string(1024, 'x'));
    if (++poured_ < 100000) reply->post([this, reply] { pour(reply); });
  }
  // Three idle ticks.
  static void ticks(std::shared_ptr<Reply> reply) {
    reply->post([reply] {
      reply->begin({.content_type = "text/plain"});
      auto left = std::make_shared<int>(3);
      reply->on_idle(20ms, [reply, left] {
        reply->write("tick ");
        if (--*left == 0) reply->end();
      });
    });
  }

  std::string exchange(std::string_view bytes) {
    RawClient client(server_->port());
    client.send(bytes);
    return client.read();
  }
  HttpClient client() { return HttpClient({.port = server_->port()}); }
  Abandoned abandoned() { return abandoned_.get_future().get(); }

  Metrics metrics_;
  std::unique_ptr<HttpServer> server_;
  std::promise<void> held_;
  std::promise<Abandoned> abandoned_;
  int poured_ = 0;
};

std::string get(std::string_view path, std::string_view more = "Connection: close\r\n") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n" + std::string(more) + "\r\n";
}

TEST_F(HttpServerTest, AnswersARequestWithItsId) {
  serve();
  const std::string answer = exchange(get("/hello?who", "Connection: close\r\nX-Request-Id: abc-1\r\n"));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_NE(answer.find("X-Request-Id: abc-1\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\nhi who"));
}

TEST_F(HttpServerTest, DoesNotEchoAnIdThatCouldForgeHeaders) {
  serve();
  const std::string answer = exchange(get("/hello", "Connection: close\r\nX-Request-Id: a b\"c\r\n"));
  EXPECT_NE(answer.find("X-Request-Id: req-api-1\r\n"), std::string::npos) << answer;
}

TEST_F(HttpServerTest, KeepsAConnectionForManyRequests) {
  serve();
  HttpClient client({.port = server_->port()});
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.fetch({.method = "POST", .path = "/echo", .body = std::to_string(i)});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, std::to_string(i));
  }
  server_->stop(0ms);  // a request is counted after its last byte
  EXPECT_NE(metrics_.text().find("route=\"/echo\",server=\"api\",status=\"200\"} 3"), std::string::npos)
      << metrics_.text();
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  serve();
  const std::string answers = exchange(get("/hello?1", "") + get("/hello?2", "") + get("/hello?3"));
  const auto first = answers.find("hi 1"), second = answers.find("hi 2"), third = answers.find("hi 3");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos);
}

TEST_F(HttpServerTest, NamesWhatIsWrongWithARoute) {
  serve();
  EXPECT_TRUE(exchange(get("/nothing")).starts_with("HTTP/1.1 404"));
  const std::string wrong_method = exchange(get("/echo"));
  EXPECT_TRUE(wrong_method.starts_with("HTTP/1.1 405"));
  EXPECT_NE(wrong_method.find("Allow: POST\r\n"), std::string::npos);
  EXPECT_NE(wrong_method.find(R"({"error":{"message":"this path takes POST")"), std::string::npos);
}

TEST_F(HttpServerTest, AnswersHeadWithoutABody) {
  serve();
  const std::string answer = exchange("HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
  EXPECT_NE(answer.find("Content-Length: 3\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, TurnsAThrowingHandlerInto500) {
  serve();
  EXPECT_TRUE(exchange(get("/throw")).starts_with("HTTP/1.1 500"));
}

TEST_F(HttpServerTest, RefusesWhatIsNoHttp) {
  serve();
  EXPECT_TRUE(exchange("this is not HTTP\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(exchange("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n")
                  .starts_with("HTTP/1.1 400"));
}

TEST_F(HttpServerTest, RefusesALargeHead) {
  serve({.header_bytes_max = 2048});
  EXPECT_TRUE(
      exchange(get("/hello", "X-Big: " + std::string(4096, 'a') + "\r\n")).starts_with("HTTP/1.1 431"));
}

TEST_F(HttpServerTest, RefusesALargeBodyBeforeReadingIt) {
  serve({.body_bytes_max = 1000});
  RawClient client(server_->port());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n");
  EXPECT_TRUE(client.read("}}").starts_with("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, RefusesALargeChunkedBody) {
  serve({.body_bytes_max = 1000});
  RawClient client(server_->port());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" +
              std::string(2048, 'a'));
  EXPECT_TRUE(client.read("}}").starts_with("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, RefusesBodiesBeyondTheirCommonRoom) {
  serve({.body_bytes_max = 1000, .bodies_bytes_max = 1500});
  RawClient first(server_->port()), second(server_->port());
  first.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(first.read("\r\n\r\n").starts_with("HTTP/1.1 100"));
  second.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n");
  EXPECT_TRUE(second.read("}}").starts_with("HTTP/1.1 503"));
  first.send(std::string(900, 'b'));
  EXPECT_TRUE(first.read("bbb").starts_with("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, TellsASlowClient) {
  serve({.header_timeout = 50ms, .body_timeout = 50ms});
  RawClient head(server_->port()), body(server_->port());
  head.send("GET /hello HT");
  body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(head.read("}}").starts_with("HTTP/1.1 408"));
  EXPECT_TRUE(body.read("}}").starts_with("HTTP/1.1 408"));
}

TEST_F(HttpServerTest, ClosesIdleConnections) {
  serve({.idle_timeout = 30ms});
  RawClient client(server_->port());
  EXPECT_EQ(client.read(), "");
}

TEST_F(HttpServerTest, AnswersConnectionsBeyondTheLimit) {
  serve({.connections_max = 1});
  RawClient first(server_->port());
  first.send(get("/hello", ""));
  EXPECT_TRUE(first.read("hi").starts_with("HTTP/1.1 200"));
  RawClient second(server_->port());
  EXPECT_TRUE(second.read("}}").starts_with("HTTP/1.1 503"));
}

TEST_F(HttpServerTest, NoticesAClientThatLeavesBeforeItsAnswer) {
  serve();
  RawClient client(server_->port());
  client.send(get("/hold", ""));
  held_.get_future().wait();
  client.close();
  EXPECT_EQ(abandoned(), Abandoned::kClientLeft);
}

TEST_F(HttpServerTest, DropsAClientThatDoesNotRead) {
  serve({.stream_bytes_max = 4096});
  RawClient client(server_->port());
  client.send(get("/flood", ""));
  EXPECT_EQ(abandoned(), Abandoned::kTooSlow);
}

TEST_F(HttpServerTest, DropsAClientThatStopsReadingForTooLong) {
  serve({.stream_bytes_max = 1u << 30, .write_timeout = 200ms});
  RawClient client(server_->port());
  client.send(get("/flood", ""));
  EXPECT_EQ(abandoned(), Abandoned::kTooSlow);
}

TEST_F(HttpServerTest, CallsBackWhenAStreamIsSilent) {
  serve();
  const auto answer = HttpClient({.port = server_->port()}).fetch({.method = "GET", .path = "/ticks"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "tick tick tick ");
}

TEST_F(HttpServerTest, StreamsToAnOldClientUntilItCloses) {
  serve();
  const std::string answer = exchange("GET /ticks HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.find("chunked"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\ntick tick tick ")) << answer;
}

TEST_F(HttpServerTest, StopLetsARunningRequestFinish) {
  serve();
  std::string answer;
  RawClient client(server_->port());
  client.send(get("/ticks"));
  client.read("\r\n\r\n");
  std::thread reader([&] { answer = client.read(); });
  server_->stop(10s);
  reader.join();
  EXPECT_TRUE(answer.ends_with("0\r\n\r\n")) << answer;
}

TEST_F(HttpServerTest, StopTellsHandlersAtTheEndOfTheDrain) {
  serve();
  RawClient client(server_->port());
  client.send(get("/hold", ""));
  held_.get_future().wait();
  server_->stop(20ms);
  EXPECT_EQ(abandoned(), Abandoned::kStopping);
}

TEST_F(HttpServerTest, StopEndsIdleConnectionsAtOnce) {
  serve();
  HttpClient client({.port = server_->port()});
  ASSERT_TRUE(client.fetch({.method = "GET", .path = "/hello"}));
  const auto before = std::chrono::steady_clock::now();
  server_->stop(30s);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
}

TEST_F(HttpServerTest, RefusesAnAddressInUse) {
  serve();
  HttpServerOptions options;
  options.port = server_->port();
  const auto second = HttpServer::create(options, {}, metrics_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(second.error().message.find("127.0.0.1:" + std::to_string(options.port)), std::string::npos);
}

TEST_F(HttpServerTest, RefusesBadOptions) {
  EXPECT_FALSE(validate({.connections_max = 0}));
  EXPECT_FALSE(validate({.header_bytes_max = 1}));
  EXPECT_FALSE(validate({.body_bytes_max = 1u << 20, .bodies_bytes_max = 1}));
  EXPECT_FALSE(validate({.stream_bytes_max = 1}));
  EXPECT_FALSE(validate({.worker_threads = 0}));
  const Handler hello = respond([](const Request&) { return Response{}; });
  const auto twice = HttpServer::create({.port = 0}, {{"GET", "/a", hello}, {"GET", "/a", hello}}, metrics_);
  EXPECT_FALSE(twice);
}

TEST_F(HttpServerTest, ClientSaysWhyThereIsNoAnswer) {
  serve();
  const std::uint16_t port = server_->port();
  HttpClient impatient({.port = port, .read_timeout = 30ms});
  const auto late = impatient.fetch({.method = "GET", .path = "/hold"});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kDeadlineExceeded);
  HttpClient small({.port = port, .body_bytes_max = 2});
  EXPECT_EQ(small.fetch({.method = "GET", .path = "/hello"}).error().code, ErrorCode::kResourceExhausted);
  server_->stop(0ms);
  const auto gone = HttpClient({.port = port}).fetch({.method = "GET", .path = "/hello"});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(gone.error().message.find("127.0.0.1:" + std::to_string(port)), std::string::npos);
}

TEST_F(HttpServerTest, ClientCanBeCancelledFromElsewhere) {
  serve();
  HttpClient client({.port = server_->port()});
  std::thread other([&] {
    held_.get_future().wait();
    client.cancel();
  });
  EXPECT_EQ(client.fetch({.method = "GET", .path = "/hold"}).error().code, ErrorCode::kCancelled);
  other.join();
  EXPECT_EQ(abandoned(), Abandoned::kClientLeft);
  client.cancel();
  EXPECT_TRUE(client.fetch({.method = "GET", .path = "/hello"}))
      << "a cancel of nothing must not end the next request";
}

TEST_F(HttpServerTest, ClientCanBeCancelledAtAnyMoment) {
  serve();
  for (int moment = 0; moment < 200; ++moment) {
    HttpClient client({.port = server_->port()});
    std::atomic<bool> ended = false;
    std::thread other([&, moment] {
      std::this_thread::sleep_for(std::chrono::microseconds(moment * 3));
      while (!ended && !client.cancel()) std::this_thread::yield();
    });
    EXPECT_EQ(client.fetch({.method = "GET", .path = "/ignore"}).error().code, ErrorCode::kCancelled);
    ended = true;
    other.join();
  }
}

TEST_F(HttpServerTest, ClientMayEndAStreamItHasEnoughOf) {
  serve({.stream_bytes_max = 64u << 20});
  HttpClient client({.port = server_->port()});
  std::size_t taken = 0;
  const auto ended = client.stream({.method = "GET", .path = "/flood"}, [&](std::string_view bytes) {
    taken += bytes.size();
    return taken < 50000;
  });
  EXPECT_EQ(ended.error().code, ErrorCode::kCancelled);
  EXPECT_GE(taken, 50000u);
}

// Moved by the test, read by the server's workers.
class SharedClock final : public Clock {
 public:
  TimePoint now() const override { return TimePoint(Duration(now_.load())); }
  void advance(Duration by) { now_ += by.count(); }

 private:
  std::atomic<Duration::rep> now_{0};
};

TEST(AdminRoutesTest, ProbesAtMostOncePerPeriod) {
  Metrics metrics;
  SharedClock clock;
  clock.advance(1h);
  std::atomic<int> probes{0};
  std::atomic<bool> good{true};
  auto server = HttpServer::create(
      {.name = "admin", .port = 0},
      admin_routes({.version = "1", .numerics = "n1", .model = "m", .probe_period = 5s}, metrics, clock,
                   [&]() -> Result<void> {
                     ++probes;
                     if (good) return {};
                     return make_error(ErrorCode::kDataLoss, "attention-1 does not answer");
                   }),
      metrics);
  ASSERT_TRUE(server);
  HttpClient client({.port = (*server)->port()});
  const auto status = [&](std::string path) {
    return client.fetch({.method = "GET", .path = std::move(path)})->status;
  };
  EXPECT_EQ(status("/readyz"), 200);
  EXPECT_EQ(status("/health"), 200);
  EXPECT_EQ(probes, 1);
  good = false;
  EXPECT_EQ(status("/readyz"), 200);
  clock.advance(6s);
  EXPECT_EQ(status("/readyz"), 503);
  EXPECT_EQ(probes, 2);
  EXPECT_EQ(status("/livez"), 200);
  EXPECT_EQ(client.fetch({.method = "GET", .path = "/version"})->body,
            R"({"version":"1","numerics":"n1","model":"m"})");
  EXPECT_NE(client.fetch({.method = "GET", .path = "/metrics"})->body.find("longshore_http_connections"),
            std::string::npos);
  (*server)->stop(0ms);
}

}  // namespace
}  // namespace longshore::http
