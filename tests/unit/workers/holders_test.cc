#include "workers/compute/holders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "transport/inproc/inproc_transport.h"

namespace longshore::compute {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// An attention node of which only the first words are known: what a test says of it.
class Stranger final : public transport::Receiver {
 public:
  explicit Stranger(std::unique_ptr<transport::Transport> transport) : transport_(std::move(transport)) {}

  void on_message(transport::PeerId peer, transport::Message message) override {
    peer_ = peer;
    if (const Result<wire::Hello> hello = wire::decode_hello(message.bytes())) hello_ = *hello;
  }
  void on_peer_lost(transport::PeerId, const Error&) override {}

  void listen() { transport_->progress(*this); }
  void answer(std::optional<Error> error = std::nullopt) {
    listen();
    ASSERT_TRUE(hello_);
    ASSERT_TRUE(transport_->send(peer_, wire::encode(wire::HelloReply{*hello_, std::move(error)}, transport_->messages())));
  }
  void hang_up() { transport_->close(peer_); }
  std::string address() const { return transport_->address(); }

 private:
  std::unique_ptr<transport::Transport> transport_;
  transport::PeerId peer_;
  std::optional<wire::Hello> hello_;
};

class HoldersTest : public testing::Test {
 protected:
  NodeDescriptor descriptor() const {
    NodeDescriptor node;
    node.id = NodeId{7};
    node.name = "attention-7";
    node.address = stranger_.address();
    return node;
  }

  transport::InprocNetwork network_;
  ManualClock clock_;
  std::unique_ptr<transport::Transport> transport_ = *network_.create("compute");
  Stranger stranger_{*network_.create("attention")};
  Metrics metrics_;
  Holders holders_{*transport_, wire::Hello{}, metrics_, clock_};
};

TEST_F(HoldersTest, MeetsANodeWithoutWaitingForIt) {
  ASSERT_TRUE(holders_.meet(descriptor(), milliseconds(100)).has_value());
  holders_.poll();
  EXPECT_TRUE(holders_.knows(NodeId{7}));
  EXPECT_FALSE(holders_.is_connected(NodeId{7}));
  stranger_.answer();
  holders_.poll();
  EXPECT_TRUE(holders_.is_connected(NodeId{7}));
  const auto met = holders_.take_met();
  ASSERT_THAT(met, SizeIs(1));
  EXPECT_FALSE(met[0].error);
  ASSERT_THAT(holders_.known(), SizeIs(1));
  EXPECT_EQ(holders_.known()[0].name, "attention-7");
  EXPECT_EQ(holders_.name(NodeId{7}), "attention-7");
}

TEST_F(HoldersTest, ANodeWithoutAThreadAnswersWhileItIsWaitedFor) {
  int turns = 0;
  holders_.share_thread([&] {
    if (++turns == 3) stranger_.answer();
  });
  ASSERT_TRUE(holders_.connect(descriptor(), milliseconds(100)).has_value());
  EXPECT_TRUE(holders_.is_connected(NodeId{7}));
  EXPECT_GE(turns, 3);
}

TEST_F(HoldersTest, GivesUpOneThatStaysSilent) {
  ASSERT_TRUE(holders_.meet(descriptor(), milliseconds(100)).has_value());
  clock_.advance(milliseconds(99));
  holders_.poll();
  EXPECT_THAT(holders_.take_met(), IsEmpty());
  clock_.advance(milliseconds(1));
  holders_.poll();
  const auto met = holders_.take_met();
  ASSERT_THAT(met, SizeIs(1));
  ASSERT_TRUE(met[0].error);
  EXPECT_EQ(met[0].error->code, ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(met[0].error->message, HasSubstr("attention-7"));
  EXPECT_FALSE(holders_.knows(NodeId{7}));
  EXPECT_THAT(holders_.take_lost(), IsEmpty());  // it never was a holder
}

TEST_F(HoldersTest, PassesARefusalOn) {
  ASSERT_TRUE(holders_.meet(descriptor(), milliseconds(100)).has_value());
  stranger_.answer(Error{ErrorCode::kFailedPrecondition, "another numerics version"});
  holders_.poll();
  const auto met = holders_.take_met();
  ASSERT_THAT(met, SizeIs(1));
  ASSERT_TRUE(met[0].error);
  EXPECT_EQ(met[0].error->code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(met[0].error->message, "attention node attention-7: another numerics version");
}

TEST_F(HoldersTest, EndsTheMeetingWithOneThatBreaksOff) {
  ASSERT_TRUE(holders_.meet(descriptor(), milliseconds(100)).has_value());
  stranger_.listen();
  stranger_.hang_up();
  holders_.poll();
  const auto met = holders_.take_met();
  ASSERT_THAT(met, SizeIs(1));
  ASSERT_TRUE(met[0].error);
  EXPECT_EQ(met[0].error->code, ErrorCode::kUnavailable);
}

TEST_F(HoldersTest, TellsOfTheLossOfANodeThatWasMet) {
  ASSERT_TRUE(holders_.meet(descriptor(), milliseconds(100)).has_value());
  stranger_.answer();
  holders_.poll();
  stranger_.hang_up();
  holders_.poll();
  EXPECT_THAT(holders_.take_lost(), ElementsAre(NodeId{7}));
  EXPECT_FALSE(holders_.is_connected(NodeId{7}));
}

TEST_F(HoldersTest, AnAnswerThatComesTooLateIsRefused) {
  ASSERT_TRUE(holders_.meet(descriptor(), milliseconds(100)).has_value());
  stranger_.listen();
  clock_.advance(milliseconds(100));
  holders_.poll();
  (void)holders_.take_met();
  EXPECT_FALSE(holders_.is_connected(NodeId{7}));
  ASSERT_TRUE(holders_.meet(descriptor(), milliseconds(100)).has_value());  // and it may be met anew
  stranger_.answer();
  holders_.poll();
  EXPECT_TRUE(holders_.is_connected(NodeId{7}));
}

TEST_F(HoldersTest, AddressesThatNobodyHasAreErrors) {
  NodeDescriptor nobody = descriptor();
  nobody.address = "inproc:nobody";
  EXPECT_FALSE(holders_.meet(nobody, milliseconds(100)).has_value());
  EXPECT_FALSE(holders_.knows(NodeId{7}));
}

}  // namespace
}  // namespace longshore::compute
