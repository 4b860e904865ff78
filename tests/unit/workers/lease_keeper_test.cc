#include "workers/agent/lease_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "runtime/base/metrics.h"
#include "transport/http/http_server.h"

namespace longshore::agent {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

http::Response answer(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

// A control port that answers what a test says.
class LeaseKeeperTest : public testing::Test {
 protected:
  LeaseKeeperTest() {
    const auto route = [this](const char* method, const char* path, std::atomic<int>& calls, http::Response (*good)()) {
      return http::Route{method, path, http::respond([this, &calls, good](const http::Request&) {
                           ++calls;
                           if (status_ != 200) return answer(status_, R"({"error": {"message": "so it is"}})");
                           return good();
                         })};
    };
    server_ = std::move(*http::HttpServer::create(
        {.port = 0},
        {route("POST", "/register", joins_, [] { return answer(200, R"({"node": 4, "epoch": 9, "lease_ms": 100})"); }),
         route("POST", "/heartbeat", beats_, [] { return answer(200, R"({"attention": []})"); }),
         route("POST", "/leave", leaves_, [] { return answer(200, "{}"); })},
        metrics_));
    client_ = std::move(*ControlClient::create("127.0.0.1:" + std::to_string(server_->port())));
    keeper_.emplace(*client_);
  }
  ~LeaseKeeperTest() override { server_->stop(std::chrono::seconds(1)); }

  LeaseKeeper::Handlers handlers() {
    return {[] { return NodeState{}; }, [this](const Orders&) { ++orders_; }};
  }
  static constexpr Lease kLease{NodeId{4}, 9, milliseconds(100)};

  Metrics metrics_;
  std::atomic<int> status_{200}, joins_{0}, beats_{0}, leaves_{0}, orders_{0};
  std::unique_ptr<http::HttpServer> server_;
  std::unique_ptr<ControlClient> client_;
  std::optional<LeaseKeeper> keeper_;
};

TEST_F(LeaseKeeperTest, TriesToJoinUntilSomeoneAnswers) {
  status_ = 503;
  std::thread later([this] {
    while (joins_ == 0) std::this_thread::yield();
    status_ = 200;
  });
  const Result<Lease> lease = keeper_->join({});
  later.join();
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(lease->node, NodeId{4});
  EXPECT_EQ(lease->length, milliseconds(100));
  EXPECT_GE(joins_, 2);
}

TEST_F(LeaseKeeperTest, ARefusalIsForGood) {
  for (const auto& [status, code] : {std::pair(412, ErrorCode::kFailedPrecondition), {400, ErrorCode::kInvalidArgument}}) {
    status_ = status;
    const Result<Lease> lease = keeper_->join({});
    ASSERT_FALSE(lease.has_value());
    EXPECT_EQ(lease.error().code, code);
    EXPECT_THAT(lease.error().message, HasSubstr("so it is"));
  }
  EXPECT_EQ(joins_, 2);
}

TEST_F(LeaseKeeperTest, BeatsUntilItIsStoppedAndThenLeaves) {
  std::thread stopper([this] {
    while (orders_ < 3) std::this_thread::yield();
    keeper_->stop();
  });
  EXPECT_EQ(keeper_->keep(kLease, handlers()).code, ErrorCode::kCancelled);
  stopper.join();
  EXPECT_GE(beats_, 3);
  EXPECT_EQ(leaves_, 1);
  EXPECT_EQ(keeper_->join({}).error().code, ErrorCode::kCancelled);
}

TEST_F(LeaseKeeperTest, TheSchedulersWordEndsALeaseAtOnce) {
  status_ = 409;
  EXPECT_EQ(keeper_->keep(kLease, handlers()).code, ErrorCode::kAborted);
  EXPECT_EQ(beats_, 1);
  EXPECT_EQ(leaves_, 0);
}

TEST_F(LeaseKeeperTest, ALeaseWithoutAnAnswerEndsByItself) {
  status_ = 500;
  const auto begin = std::chrono::steady_clock::now();
  const Error end = keeper_->keep(kLease, handlers());
  EXPECT_EQ(end.code, ErrorCode::kAborted);
  EXPECT_THAT(end.message, HasSubstr("within the lease of 100 ms"));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(100));
  EXPECT_GE(beats_, 2);  // one failure is none
}

TEST_F(LeaseKeeperTest, NewsDoNotWaitForTheNextBeat) {
  constexpr Lease kLong{NodeId{4}, 9, std::chrono::hours(1)};
  std::thread hurrier([this] {
    while (orders_ < 1) std::this_thread::yield();
    keeper_->beat_now();
    while (orders_ < 2) std::this_thread::yield();
    keeper_->stop();
  });
  EXPECT_EQ(keeper_->keep(kLong, handlers()).code, ErrorCode::kCancelled);
  hurrier.join();
  EXPECT_EQ(beats_, 2);
}

TEST_F(LeaseKeeperTest, TargetsThatAreNoneAreErrors) {
  for (const char* target : {"", "host", ":1", "host:", "host:0", "host:70000", "host:1x"})
    EXPECT_EQ(ControlClient::create(target).error().code, ErrorCode::kInvalidArgument) << target;
}

}  // namespace
}  // namespace longshore::agent
