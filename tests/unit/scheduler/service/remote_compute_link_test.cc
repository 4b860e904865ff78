#include "scheduler/service/remote_compute_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "transport/inproc/inproc_transport.h"
#include "transport/wire/step_messages.h"

namespace longshore::service {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// A compute node that answers as far as it is told to, on a thread of its own.
class ScriptedNode final : private transport::Receiver {
 public:
  explicit ScriptedNode(std::unique_ptr<transport::Transport> transport) : transport_(std::move(transport)) {
    thread_ = std::thread([this] {
      while (!stopping) {
        transport_->progress(*this);
        transport_->wait(milliseconds(1));
      }
    });
  }
  ~ScriptedNode() override {
    stopping = true;
    thread_.join();
  }
  std::string address() const { return transport_->address(); }

  std::atomic<bool> stopping{false}, greets{true}, agrees{true}, computes{true}, hangs_up{false};
  std::atomic<int> hellos{0}, batches{0};

 private:
  void on_message(transport::PeerId peer, transport::Message message) override {
    if (const Result<wire::Hello> hello = wire::decode_hello(message.bytes())) {
      ++hellos;
      wire::HelloReply reply{*hello, std::nullopt};
      if (!agrees) reply.error = Error{ErrorCode::kFailedPrecondition, "another KV layout"};
      if (!greets) return;
      EXPECT_TRUE(transport_->send(peer, wire::encode(reply, transport_->messages())));
    } else if (const Result<StepBatch> batch = wire::decode_step_batch(message.bytes())) {
      ++batches;
      if (hangs_up) return transport_->close(peer);
      StepOutcome outcome;
      outcome.id = batch->id;
      if (!computes) return;
      EXPECT_TRUE(transport_->send(peer, wire::encode(outcome, PlanGeneration{1}, transport_->messages())));
    }
  }
  void on_peer_lost(transport::PeerId, const Error&) override {}

  std::unique_ptr<transport::Transport> transport_;
  std::thread thread_;
};

class RemoteComputeLinkTest : public testing::Test {
 protected:
  static StepBatch batch(std::uint64_t id) {
    StepBatch batch;
    batch.id = StepId{id};
    batch.releases = {SequenceId{1}};
    return batch;
  }
  Result<StepOutcome> step(std::uint64_t id) {
    if (Result<void> submitted = link_.submit(batch(id)); !submitted) return submitted.error();
    return link_.wait(std::chrono::minutes(2));
  }

  transport::InprocNetwork network_;
  Metrics metrics_;
  SystemClock clock_;
  ScriptedNode node_{*network_.create("compute")};
  RemoteComputeLink link_{wire::Hello{}, [this] { return network_.create("scheduler"); }, std::chrono::minutes(2), metrics_,
                          clock_};
};

TEST_F(RemoteComputeLinkTest, APlaceWithoutANodeHasNoRoomAndTakesNoSteps) {
  EXPECT_EQ(link_.kv_leaf_capacity(), 0u);
  EXPECT_EQ(link_.submit(batch(1)).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(link_.wait(milliseconds(1)).error().code, ErrorCode::kInternal);
}

TEST_F(RemoteComputeLinkTest, GreetsOnceAndCarriesSteps) {
  link_.set_node(node_.address(), 12);
  EXPECT_EQ(link_.kv_leaf_capacity(), 12u);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    const Result<StepOutcome> outcome = step(id);
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
    EXPECT_EQ(outcome->id, StepId{id});
  }
  link_.set_node(node_.address(), 20);  // only its room changes
  EXPECT_TRUE(step(4).has_value());
  EXPECT_EQ(node_.hellos, 1);
  EXPECT_THAT(metrics_.text(), HasSubstr("longshore_link_messages_total{direction=\"received\""));
}

TEST_F(RemoteComputeLinkTest, SaysThatAStepStillRunsAndKeepsItsOutcome) {
  link_.set_node(node_.address(), 12);
  node_.computes = false;
  ASSERT_TRUE(link_.submit(batch(1)).has_value());
  EXPECT_EQ(link_.wait(milliseconds(5)).error().code, ErrorCode::kDeadlineExceeded);
  link_.clear_node();  // the lease is over
  EXPECT_EQ(link_.wait(std::chrono::minutes(2)).error().code, ErrorCode::kUnavailable);
  node_.computes = true;
  link_.set_node(node_.address(), 12);  // its next life is greeted anew
  EXPECT_TRUE(step(2).has_value());
  EXPECT_EQ(node_.hellos, 2);
}

TEST_F(RemoteComputeLinkTest, DoesNotWaitForASilentNodeLongerThanAHelloMay) {
  RemoteComputeLink hasty(wire::Hello{}, [this] { return network_.create("hasty"); }, milliseconds(100), metrics_, clock_);
  hasty.set_node(node_.address(), 12);
  node_.greets = false;
  const Result<void> submitted = hasty.submit(batch(1));
  ASSERT_FALSE(submitted.has_value());
  EXPECT_EQ(submitted.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(submitted.error().message, HasSubstr("did not answer a Hello within 100 ms"));
  EXPECT_EQ(node_.batches, 0);
}

TEST_F(RemoteComputeLinkTest, PassesARefusalOnAsANodeThatIsNotThere) {
  link_.set_node(node_.address(), 12);
  node_.agrees = false;
  const Result<void> submitted = link_.submit(batch(1));
  ASSERT_FALSE(submitted.has_value());
  EXPECT_EQ(submitted.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(submitted.error().message, HasSubstr("another KV layout"));
}

TEST_F(RemoteComputeLinkTest, ABrokenConnectionEndsTheStepAndTheNextBeginsAnew) {
  link_.set_node(node_.address(), 12);
  node_.hangs_up = true;
  EXPECT_EQ(step(1).error().code, ErrorCode::kUnavailable);
  node_.hangs_up = false;
  EXPECT_TRUE(step(2).has_value());
  EXPECT_EQ(node_.hellos, 2);
}

}  // namespace
}  // namespace longshore::service
