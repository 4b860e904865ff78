#include "scheduler/gateway/control_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/json.hpp>
#include <thread>

#include "tests/support/recorded_reply.h"
#include "transport/inproc/inproc_transport.h"

namespace longshore::gateway {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr milliseconds kLease{1000};

// Time that a test moves while the service's own thread reads it.
class MovedClock final : public Clock {
 public:
  TimePoint now() const override { return TimePoint{} + milliseconds(passed_.load()); }
  void advance(milliseconds by) { passed_ += by.count(); }

 private:
  std::atomic<std::int64_t> passed_{1};
};

service::ControlService::Options options() {
  service::ControlService::Options options;
  service::ServedModel& model = options.model;
  model.agreement.model.fill(7);
  model.agreement.numerics_version = 3;
  model.agreement.wire_version = 2;
  model.name = "tiny";
  model.layers = 2, model.kv_heads = 2, model.group = 2, model.head_dim = 32;
  model.kv_type = "f16";
  model.context_tokens = 4096, model.rows_max = 64, model.leaf_bytes = 2 * 2 * 128 * 128;
  model.lease = kLease;
  options.cluster.detector = {kLease / 2, kLease};
  options.cluster.settle = milliseconds(10);
  options.shape.query_heads = 4, options.shape.kv_heads = 2, options.shape.head_dim = 32;
  options.shape.kv_bytes_per_token = 128, options.shape.layer_windows = {0, 0}, options.shape.weight_bytes = 1 << 20;
  return options;
}

class ControlRoutesTest : public ::testing::Test {
 protected:
  ControlRoutesTest() {
    service::StepLoopOptions loop;
    loop.batcher.context_tokens = 4096;
    loop.batcher.vocabulary_tokens = 100;
    loop_ = std::move(*service::StepLoop::create(loop, {&link_}, metrics_, clock_));
    control_.emplace(options(), *loop_, std::vector<service::RemoteComputeLink*>{&link_}, clock_);
  }

  // Status and body of a POST.
  std::pair<int, json::value> post(const std::string& path, const std::string& body) {
    const auto reply = std::make_shared<longshore::testing::RecordedReply>();
    for (const http::Route& route : control_routes(*control_))
      if (route.path == path) route.handler({.method = "POST", .path = path, .body = body}, reply);
    return {reply->sent->status, json::parse(reply->sent->body)};
  }
  std::pair<int, json::value> post(const std::string& path, const json::object& body) {
    return post(path, json::serialize(body));
  }
  static std::string message(const json::value& body) { return std::string(body.at("error").at("message").as_string()); }

  static json::object registration(const std::string& role, const std::string& name) {
    Sha256 model;
    model.fill(7);
    return {{"role", role},           {"name", name},          {"address", "inproc:" + name},
            {"admin", "127.0.0.1:1"}, {"memory_bytes", 1 << 30}, {"read_bytes_per_second", 1e9},
            {"query_seconds", 1e-5},  {"step_seconds", 0.01},  {"row_seconds", 0.001},
            {"cores", "box"},         {"threads", 1},          {"model", to_hex(model)}, {"numerics_version", 3},
            {"wire_version", 2},      {"generation_seen", 0}};
  }
  json::object join(const std::string& role, const std::string& name) {
    const auto [status, told] = post("/register", registration(role, name));
    EXPECT_EQ(status, 200) << json::serialize(told);
    return {{"node", told.at("node")}, {"epoch", told.at("epoch")}, {"prepared", 0}};
  }
  // The generation that the node is asked to prepare; nullopt if none in time.
  std::optional<std::int64_t> asked_to_prepare(const json::object& beat) {
    for (int turn = 0; turn < 5000; ++turn) {
      const auto [status, told] = post("/heartbeat", beat);
      if (status != 200) return std::nullopt;
      if (const json::value* plan = told.as_object().if_contains("prepare"))
        return plan->at("generation").to_number<std::int64_t>();
      pass();
    }
    return std::nullopt;
  }
  // A moment, in which the service's thread ticks sooner or later.
  void pass() {
    clock_.advance(milliseconds(1));
    std::this_thread::sleep_for(milliseconds(1));
  }

  MovedClock clock_;
  Metrics metrics_;
  transport::InprocNetwork network_;
  service::RemoteComputeLink link_{wire::Hello{}, [this] { return network_.create("scheduler"); }, milliseconds(20),
                                   metrics_, clock_};
  std::unique_ptr<service::StepLoop> loop_;
  std::optional<service::ControlService> control_;
};

TEST_F(ControlRoutesTest, SwitchesToAPlanThatEverybodyHasPrepared) {
  json::object compute = join("compute", "c"), attention = join("attention", "a");
  const std::optional<std::int64_t> generation = asked_to_prepare(compute);
  ASSERT_TRUE(generation);
  compute["prepared"] = attention["prepared"] = *generation;
  EXPECT_EQ(link_.kv_leaf_capacity(), 0u);
  EXPECT_EQ(post("/heartbeat", compute).first, 200);
  EXPECT_EQ(control_->view().generation.value, 0u);  // not before all have
  EXPECT_TRUE(control_->view().replicas.empty());
  EXPECT_EQ(post("/heartbeat", attention).first, 200);
  EXPECT_EQ(control_->view().generation.value, static_cast<std::uint64_t>(*generation));
  EXPECT_GT(link_.kv_leaf_capacity(), 0u);
  ASSERT_EQ(control_->view().replicas.size(), 1u);
  EXPECT_EQ(control_->view().replicas[0].value, compute.at("node").to_number<std::uint32_t>());
}

TEST_F(ControlRoutesTest, PlansWithoutANodeThatAComputeNodeCannotReach) {
  json::object compute = join("compute", "c");
  const json::object attention = join("attention", "a");
  const std::optional<std::int64_t> first = asked_to_prepare(compute);
  ASSERT_TRUE(first);
  compute["refused"] = *first;
  compute["unreachable"] = json::array{attention.at("node")};
  const auto [status, told] = post("/heartbeat", compute);
  ASSERT_EQ(status, 200);
  const json::value& plan = told.at("prepare");
  EXPECT_GT(plan.at("generation").to_number<std::int64_t>(), *first);
  EXPECT_EQ(json::serialize(plan.at("holders")).find(json::serialize(attention.at("node"))), std::string::npos);
}

TEST_F(ControlRoutesTest, GivesUpASilentNodeAndTellsItSo) {
  const json::object silent = join("attention", "silent");
  json::object compute = join("compute", "c");
  for (int turn = 0; turn < 10'000 && control_->view().members.size() == 2; ++turn) {
    EXPECT_EQ(post("/heartbeat", compute).first, 200);
    pass();
  }
  ASSERT_EQ(control_->view().members.size(), 1u);
  EXPECT_EQ(control_->view().members[0].name, "c");
  const auto [status, told] = post("/heartbeat", silent);
  EXPECT_EQ(status, 409);
  EXPECT_THAT(message(told), HasSubstr("drop what you hold and register again"));
}

TEST_F(ControlRoutesTest, ANodeThatLeavesIsOutAtOnce) {
  const json::object node = join("attention", "a");
  EXPECT_EQ(post("/leave", node).first, 200);
  EXPECT_TRUE(control_->view().members.empty());
}

TEST_F(ControlRoutesTest, RefusesAnotherModelOrVersionByName) {
  for (const auto& [field, value, said] :
       {std::tuple("wire_version", json::value(9), "node a speaks wire version 9; the cluster speaks 2"),
        {"numerics_version", json::value(9), "node a computes with numerics version 9; the cluster with 3"},
        {"model", json::value(std::string(64, 'b')), "node a has the model file with SHA-256 bbbb"}}) {
    json::object body = registration("attention", "a");
    body[field] = value;
    const auto [status, told] = post("/register", body);
    EXPECT_EQ(status, 412);
    EXPECT_THAT(message(told), HasSubstr(said));
  }
  EXPECT_TRUE(control_->view().members.empty());
}

TEST_F(ControlRoutesTest, NamesTheFieldOfAHostileBody) {
  const json::object good = registration("attention", "a");
  for (const auto& member : good) {
    const std::string field(member.key());
    const bool is_text = member.value().is_string();
    std::vector<json::value> wrong = {json::array{1}, json::object{{"a", 1}}, true, -1, 1e300};
    if (is_text) wrong.insert(wrong.end(), {json::value(""), json::value(std::string(100'000, 'x'))});
    else wrong.insert(wrong.end(), {json::value("1"), json::value(UINT64_MAX)});
    json::object without = good;
    without.erase(field);
    std::vector<json::object> bodies{without};
    for (const json::value& value : wrong) {
      bodies.push_back(good);
      bodies.back()[field] = value;
    }
    for (const json::object& body : bodies) {
      if (field == "read_bytes_per_second" && body.contains(field) && body.at(field).is_uint64()) continue;  // 1.8e19 > 1e18
      const auto [status, told] = post("/register", body);
      EXPECT_EQ(status, 400) << json::serialize(body).substr(0, 300);
      EXPECT_EQ(told.at("error").at("param"), json::value(field)) << json::serialize(told);
      EXPECT_THAT(message(told), HasSubstr(field));
    }
  }
  EXPECT_TRUE(control_->view().members.empty());
}

TEST_F(ControlRoutesTest, NamesTheFieldOfAHostileHeartbeat) {
  const json::object good = join("attention", "a");
  for (const char* field : {"node", "epoch", "prepared"})
    for (const json::value& value : {json::value("x"), json::value(-1), json::value(nullptr), json::value(0.5)}) {
      json::object body = good;
      body[field] = value;
      const auto [status, told] = post("/heartbeat", body);
      EXPECT_EQ(status, 400);
      EXPECT_EQ(told.at("error").at("param"), json::value(field));
    }
  for (const json::value& value : {json::value(nullptr), json::value(1), json::value(json::array{"x"}),
                                   json::value(json::array{-1}), json::value(json::array(2000, 1))}) {
    json::object body = good;
    body["refused"] = 1;
    body["unreachable"] = value;
    const auto [status, told] = post("/heartbeat", body);
    EXPECT_EQ(status, 400);
    EXPECT_EQ(told.at("error").at("param"), json::value("unreachable"));
  }
  for (const char* text : {"", "[]", "{", "\"\xff\"", "{\"node\": 1"}) EXPECT_EQ(post("/heartbeat", std::string(text)).first, 400);
  EXPECT_EQ(post("/heartbeat", std::string(100'000, '[')).first, 400);
}

}  // namespace
}  // namespace longshore::gateway
