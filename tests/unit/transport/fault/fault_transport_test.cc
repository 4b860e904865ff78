#include "transport/fault/fault_transport.h"

#include "transport/inproc/inproc_transport.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace longshore::transport {
namespace {

struct Log final : Receiver {
  void on_message(PeerId peer, Message message) override {
    sender = peer;
    text.push_back(std::string(reinterpret_cast<const char*>(message.data()), message.size()));
  }
  void on_peer_lost(PeerId, const Error& error) override { lost.push_back(error); }
  PeerId sender;
  std::vector<std::string> text;
  std::vector<Error> lost;
};

class FaultTransportTest : public testing::Test {
 protected:
  void start(const FaultPolicy& policy) {
    b_ = *network_.create("b");
    a_ = std::make_unique<FaultTransport>(*network_.create("a"), clock_, policy);
    peer_ = *a_->connect("inproc:b");
  }
  void send(const std::string& text) {
    Message message = a_->messages().take(text.size());
    std::copy(text.begin(), text.end(), reinterpret_cast<char*>(message.data()));
    ASSERT_TRUE(a_->send(peer_, std::move(message)));
  }
  std::vector<std::string> received() {
    a_->progress(at_a_);
    b_->progress(at_b_);
    return at_b_.text;
  }
  // What arrives of a hundred messages under a policy.
  std::vector<std::string> hundred(const FaultPolicy& policy) {
    start(policy);
    for (int i = 0; i < 100; ++i) send("message " + std::to_string(i));
    clock_.advance(std::chrono::hours(1));
    std::vector<std::string> all = received();
    a_.reset();
    b_.reset();
    at_b_.text.clear();
    return all;
  }

  InprocNetwork network_;
  ManualClock clock_;
  std::unique_ptr<Transport> b_;
  std::unique_ptr<FaultTransport> a_;
  PeerId peer_;
  Log at_a_, at_b_;
};

TEST_F(FaultTransportTest, ChangesNothingWithoutFaults) {
  const std::vector<std::string> all = hundred({});
  ASSERT_EQ(all.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(all[i], "message " + std::to_string(i));
}

TEST_F(FaultTransportTest, LosesAboutTheShareThatItIsTold) {
  const std::size_t left = hundred({.seed = 1, .lose = 0.3}).size();
  EXPECT_GT(left, 50u);
  EXPECT_LT(left, 90u);
}

TEST_F(FaultTransportTest, DoublesMessages) { EXPECT_EQ(hundred({.seed = 1, .duplicate = 1}).size(), 200u); }

TEST_F(FaultTransportTest, FlipsOneBit) {
  const std::vector<std::string> all = hundred({.seed = 1, .corrupt = 1});
  ASSERT_EQ(all.size(), 100u);
  for (int i = 0; i < 100; ++i) {
    const std::string sent = "message " + std::to_string(i);
    int bits = 0;
    for (std::size_t at = 0; at < sent.size(); ++at)
      bits += std::popcount(static_cast<unsigned>(static_cast<unsigned char>(sent[at] ^ all[i][at])));
    EXPECT_EQ(bits, 1);
  }
}

TEST_F(FaultTransportTest, SameSeedSameFaults) {
  const FaultPolicy policy{.seed = 7,
                           .lose = 0.2,
                           .duplicate = 0.2,
                           .corrupt = 0.2,
                           .delay = 0.5,
                           .delay_min = std::chrono::milliseconds(1),
                           .delay_max = std::chrono::milliseconds(5)};
  const std::vector<std::string> first = hundred(policy), second = hundred(policy);
  EXPECT_EQ(first, second);
  FaultPolicy other = policy;
  other.seed = 8;
  EXPECT_NE(first, hundred(other));
}

TEST_F(FaultTransportTest, DelaysUntilTheClockSaysSo) {
  start({.seed = 1,
         .delay = 1,
         .delay_min = std::chrono::milliseconds(10),
         .delay_max = std::chrono::milliseconds(10)});
  send("late");
  a_->set_policy({});
  send("early");
  EXPECT_EQ(received(), (std::vector<std::string>{"early"}));
  clock_.advance(std::chrono::milliseconds(9));
  EXPECT_EQ(received().size(), 1u);
  clock_.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(received(), (std::vector<std::string>{"early", "late"}));
}

TEST_F(FaultTransportTest, PartitionsInBothDirections) {
  start({});
  send("before");
  ASSERT_EQ(received().size(), 1u);
  const PeerId back = at_b_.sender;
  a_->partition(peer_);
  send("lost");
  Message answer = b_->messages().take(1);
  answer.data()[0] = std::byte{'x'};
  ASSERT_TRUE(b_->send(back, std::move(answer)));
  EXPECT_EQ(received().size(), 1u);
  EXPECT_TRUE(at_a_.text.empty());
  std::byte target[8];
  const TransferPiece piece{kProbeRegion, 0, 8, target};
  const std::unique_ptr<Transfer> transfer = *a_->prepare(peer_, {&piece, 1}, {});
  ASSERT_TRUE(transfer->post());
  EXPECT_EQ(transfer->state(), TransferState::kPosted);
  a_->heal(peer_);
  EXPECT_EQ(transfer->state(), TransferState::kDone);
  send("after");
  EXPECT_EQ(received(), (std::vector<std::string>{"before", "after"}));
}

TEST_F(FaultTransportTest, CorruptsWhatIsPulled) {
  start({.seed = 3, .corrupt = 1});
  std::vector<std::byte> target(64);
  const TransferPiece piece{kProbeRegion, 0, 64, target};
  const std::unique_ptr<Transfer> transfer = *a_->prepare(peer_, {&piece, 1}, {});
  ASSERT_TRUE(transfer->post());
  ASSERT_EQ(transfer->state(), TransferState::kDone);
  EXPECT_EQ(std::count(target.begin(), target.end(), std::byte{0x5a}), 63);
}

TEST_F(FaultTransportTest, LosesAPeerThatLives) {
  start({});
  send("hello");
  ASSERT_EQ(received().size(), 1u);
  a_->lose_peer(peer_, {ErrorCode::kUnavailable, "lease over"});
  (void)received();
  ASSERT_EQ(at_a_.lost.size(), 1u);
  EXPECT_EQ(at_a_.lost[0].message, "lease over");
  EXPECT_EQ(at_b_.lost.size(), 1u);
}

}  // namespace
}  // namespace longshore::transport
