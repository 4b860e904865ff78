#include "workers/compute/compute_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "runtime/kernels/kernel_table.h"
#include "tests/support/tiny_gguf.h"
#include "transport/inproc/inproc_transport.h"
#include "transport/wire/attention_messages.h"
#include "transport/wire/step_messages.h"

namespace longshore::compute {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr milliseconds kLease{1000};

// The scheduler's or an attention node's end: keeps what it is sent, and as a node knows of no sequence that it is asked about.
class Peer final : private transport::Receiver {
 public:
  explicit Peer(std::unique_ptr<transport::Transport> transport) : transport_(std::move(transport)) {}

  transport::PeerId connect(const std::string& address) { return peer_ = *transport_->connect(address); }
  template <typename What>
  void send(const What& what) {
    ASSERT_TRUE(transport_->send(peer_, wire::encode(what, transport_->messages())));
  }
  // Listens until `is_so`, at most two minutes.
  template <typename Condition>
  bool listen_until(const Condition& is_so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (!is_so() && std::chrono::steady_clock::now() < end) {
      transport_->progress(*this);
      transport_->wait(milliseconds(1));
    }
    return is_so();
  }
  void answer_hello() {
    ASSERT_TRUE(listen_until([this] { return hello.has_value(); }));
    send(wire::HelloReply{*hello, std::nullopt});
  }
  std::string address() const { return transport_->address(); }

  std::optional<wire::Hello> hello;
  std::optional<wire::HelloReply> greeted;
  std::vector<StepOutcome> outcomes;
  bool lost = false;

 private:
  void on_message(transport::PeerId peer, transport::Message message) override {
    peer_ = peer;
    if (Result<wire::Hello> theirs = wire::decode_hello(message.bytes())) hello = *theirs;
    if (Result<wire::HelloReply> reply = wire::decode_hello_reply(message.bytes())) greeted = *reply;
    if (Result<wire::AttentionQuery> query = wire::decode_attention_query(message.bytes())) refuse(*query);
    if (Result<StepOutcome> outcome = wire::decode_step_outcome(message.bytes())) outcomes.push_back(std::move(*outcome));
  }
  void on_peer_lost(transport::PeerId, const Error&) override { lost = true; }
  void refuse(const wire::AttentionQuery& query) {
    wire::AttentionReplyWriter writer(
        {query.generation, query.step, query.ask, query.layer, query.group, query.head_dim});
    for (const wire::QueryItem& item : query.items)
      writer.add_failed_item(item.sequence, item.epoch, make_error(ErrorCode::kNotFound, "nobody"));
    writer.lay_out(transport_->messages());
    ASSERT_TRUE(transport_->send(peer_, writer.finish()));
  }

  std::unique_ptr<transport::Transport> transport_;
  transport::PeerId peer_;
};

class ComputeServerTest : public testing::Test {
 protected:
  ComputeServerTest() {
    test::TinyGguf tiny;
    tiny.layers = 2;
    tiny.head_dim = 64;
    bytes_ = tiny.build().build();
    file_ = std::move(*model::GgufFile::parse("tiny.gguf", bytes_));
    pool_ = std::move(*ThreadPool::create(1));
    decoder_ = std::move(*model::Decoder::load(*file_, *model::parse_model_config(*file_),
                                               kernels::kernel_table(kernels::Isa::kPortable), *pool_));
    store_ = std::move(*kv::KvStore::create({Dtype::kF16, decoder_->config().head_dim}, 1 << 22));
    to_attention_ = std::move(*network_.create("compute"));
    to_scheduler_ = std::move(*network_.create("compute-steps"));
    ComputeOptions options;
    options.reply_deadline = kLease;
    node_ = std::move(*ComputeNode::create(*decoder_, *store_, Sha256{}, to_attention_.get(), options, metrics_, clock_));
    hello_.node = "compute";
    hello_.layers = 2;
    server_.emplace(*node_, hello_, *to_scheduler_, metrics_, [this] { ++changes_; });
    thread_ = std::thread([this] { server_->run(); });
    scheduler_.connect(to_scheduler_->address());
  }
  ~ComputeServerTest() override {
    server_->stop();
    thread_.join();
  }

  void greet() {
    wire::Hello hello = hello_;
    hello.node = "scheduler";
    hello.ask = 1;
    scheduler_.send(hello);
    ASSERT_TRUE(scheduler_.listen_until([this] { return scheduler_.greeted.has_value(); }));
  }
  StepBatch batch(std::uint64_t id, std::uint32_t position) {
    StepBatch batch;
    batch.id = StepId{id};
    if (position == 0) batch.starts.push_back({SequenceId{1}, SequenceEpoch{1}, {}, 3, 100, {}, {}});
    StepEntry entry;
    entry.sequence = SequenceId{1};
    entry.epoch = SequenceEpoch{1};
    entry.position = position;
    entry.tokens = {1};
    entry.sample = true;
    batch.entries.push_back(entry);
    return batch;
  }
  void step(std::uint64_t id, std::uint32_t position) {
    const std::size_t before = scheduler_.outcomes.size();
    scheduler_.send(batch(id, position));
    ASSERT_TRUE(scheduler_.listen_until([&] { return scheduler_.outcomes.size() > before; }));
    ASSERT_EQ(scheduler_.outcomes.back().id, StepId{id});
    ASSERT_FALSE(scheduler_.outcomes.back().entries.at(0).error);
  }
  static std::shared_ptr<const PlacementPlan> plan(std::uint64_t generation, std::vector<std::vector<NodeId>> holders) {
    auto plan = std::make_shared<PlacementPlan>();
    plan->generation = PlanGeneration{generation};
    plan->holders = std::move(holders);
    return plan;
  }
  NodeDescriptor attention(std::uint32_t id) const {
    NodeDescriptor node;
    node.id = NodeId{id};
    node.name = "attention";
    node.address = attention_.address();
    return node;
  }
  bool wait_for(const std::function<bool()>& is_so) { return scheduler_.listen_until(is_so); }

  std::vector<std::byte> bytes_;
  std::unique_ptr<model::GgufFile> file_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<model::Decoder> decoder_;
  std::unique_ptr<kv::KvStore> store_;
  transport::InprocNetwork network_;
  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<transport::Transport> to_attention_, to_scheduler_;
  std::unique_ptr<ComputeNode> node_;
  wire::Hello hello_;
  std::atomic<int> changes_{0};
  std::optional<ComputeServer> server_;
  Peer scheduler_{*network_.create("scheduler")}, attention_{*network_.create("attention")};
  std::thread thread_;
};

TEST_F(ComputeServerTest, RunsTheStepsOfWhoeverAgrees) {
  greet();
  EXPECT_FALSE(scheduler_.greeted->error);
  for (std::uint32_t position = 0; position < 3; ++position) step(position + 1, position);
  EXPECT_THAT(metrics_.text(), HasSubstr("longshore_steps_total 3"));
}

TEST_F(ComputeServerTest, RefusesASchedulerOfAnotherModelAndTakesNoStepsFromIt) {
  wire::Hello hello = hello_;
  hello.model.fill(9);
  scheduler_.send(hello);
  ASSERT_TRUE(wait_for([this] { return scheduler_.greeted.has_value(); }));
  ASSERT_TRUE(scheduler_.greeted->error);
  EXPECT_THAT(scheduler_.greeted->error->message, HasSubstr("model"));
  scheduler_.send(batch(1, 0));
  EXPECT_TRUE(wait_for([this] { return scheduler_.lost; }));
  EXPECT_TRUE(scheduler_.outcomes.empty());
}

TEST_F(ComputeServerTest, AHelloBeginsAnew) {
  greet();
  step(1, 0);
  scheduler_.greeted.reset();
  greet();
  scheduler_.send(batch(2, 1));  // goes on with what is forgotten
  ASSERT_TRUE(wait_for([this] { return scheduler_.outcomes.size() == 2; }));
  ASSERT_TRUE(scheduler_.outcomes[1].entries.at(0).error);
  EXPECT_EQ(scheduler_.outcomes[1].entries[0].error->code, ErrorCode::kAborted);
}

TEST_F(ComputeServerTest, PreparesAPlanOnceItsNodesHaveAnswered) {
  server_->on_orders(plan(5, {{NodeId{1}}, {NodeId{1}}}), {attention(1)});
  EXPECT_EQ(server_->preparation().seen, PlanGeneration{5});
  EXPECT_EQ(server_->preparation().prepared, PlanGeneration{0});
  attention_.answer_hello();
  EXPECT_TRUE(attention_.listen_until([this] { return changes_ == 1; }));
  ASSERT_EQ(server_->links().size(), 1u);
  EXPECT_GT(server_->links()[0].round_trip_seconds, 0);
  EXPECT_EQ(server_->preparation().prepared, PlanGeneration{5});
  EXPECT_FALSE(server_->preparation().refused);
}

TEST_F(ComputeServerTest, StepsGoOnWhileANodeOfTheNextPlanIsSilentAndItIsNamedAfterALease) {
  greet();
  step(1, 0);
  const auto begin = std::chrono::steady_clock::now();
  server_->on_orders(plan(5, {{NodeId{1}}, {NodeId{1}}}), {attention(1)});
  std::uint32_t steps = 1;
  while (changes_ == 0 && steps < 90 && std::chrono::steady_clock::now() - begin < std::chrono::seconds(4)) {
    const auto submitted = std::chrono::steady_clock::now();
    step(steps + 1, steps);
    EXPECT_LT(std::chrono::steady_clock::now() - submitted, kLease / 2);
    ++steps;
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_GT(steps, 5u);
  const ComputeServer::Preparation told = server_->preparation();
  EXPECT_EQ(told.prepared, PlanGeneration{0});
  EXPECT_EQ(told.refused, PlanGeneration{5});
  EXPECT_THAT(told.unreachable, ElementsAre(NodeId{1}));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, kLease);
}

TEST_F(ComputeServerTest, ANodeNumberedAnewIsMetAnew) {
  server_->on_orders(plan(5, {{NodeId{1}}, {NodeId{1}}}), {attention(1)});
  attention_.answer_hello();
  ASSERT_TRUE(attention_.listen_until([this] { return changes_ == 1; }));
  Peer other(*network_.create("other"));
  NodeDescriptor successor = attention(1);  // what another scheduler may call 1
  successor.address = other.address();
  server_->on_orders(plan(6, {{NodeId{1}}, {NodeId{1}}}), {successor});
  other.answer_hello();
  EXPECT_TRUE(other.listen_until([this] { return changes_ == 2; }));
  EXPECT_TRUE(attention_.listen_until([this] { return attention_.lost; }));
}

}  // namespace
}  // namespace longshore::compute
