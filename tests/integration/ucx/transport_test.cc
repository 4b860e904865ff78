// What every transport promises, on each of them.

#include "tests/integration/ucx/test_node.h"
#include "transport/inproc/inproc_transport.h"
#include "transport/path_probe.h"
#include "transport/ucx/ucx_transport.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace longshore::transport {
namespace {

using namespace std::chrono_literals;

class TransportTest : public testing::TestWithParam<std::string> {
 protected:
  TestNode& add(const std::string& name) {
    Result<std::unique_ptr<Transport>> made = make_error(ErrorCode::kInternal, "unknown kind");
    if (GetParam() == "inproc") made = network_.create(name);
    if (GetParam() == "ucx_shm") made = create_ucx_transport({.tls = "posix,sysv,self"});
    if (GetParam() == "ucx_tcp") made = create_ucx_transport({.tls = "tcp", .net_devices = "lo"});
    if (GetParam() == "ucx_any") made = create_ucx_transport();
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    nodes_.push_back(std::make_unique<TestNode>(std::move(*made)));
    return *nodes_.back();
  }
  static PeerId connect(TestNode& from, TestNode& to) {
    const Result<PeerId> peer = from.transport->connect(to.transport->address());
    EXPECT_TRUE(peer) << (peer ? "" : peer.error().message);
    return *peer;
  }
  // Connected, and known to each other: {a's name for b, b's name for a}.
  std::pair<PeerId, PeerId> meet(TestNode& a, TestNode& b) {
    const PeerId peer = connect(a, b);
    b.messages.clear();
    EXPECT_TRUE(a.transport->send(peer, a.filled(8, 1)));
    EXPECT_TRUE(run_until({&a, &b}, [&] { return !b.messages.empty(); }));
    const PeerId back = b.senders.back();
    b.messages.clear();
    b.senders.clear();
    return {peer, back};
  }
  static std::unique_ptr<Transfer> prepare(TestNode& node,
                                           PeerId peer,
                                           const std::vector<TransferPiece>& pieces) {
    Result<std::unique_ptr<Transfer>> transfer = node.transport->prepare(peer, pieces);
    EXPECT_TRUE(transfer) << (transfer ? "" : transfer.error().message);
    return std::move(*transfer);
  }

  InprocNetwork network_;
  std::vector<std::unique_ptr<TestNode>> nodes_;
};

TEST_P(TransportTest, DeliversMessagesOfEverySizeInOrderAndAligned) {
  TestNode &a = add("a"), &b = add("b");
  const PeerId peer = connect(a, b);
  const std::vector<std::size_t> sizes{1,     63, 64,      65,  4096,   8192,    16 << 20, 65535,  65536,
                                       65537, 1,  3 << 20, 100, 131072, 1 << 20, 7,        300000, 5};
  for (std::size_t i = 0; i < sizes.size(); ++i)
    ASSERT_TRUE(a.transport->send(peer, a.filled(sizes[i], static_cast<unsigned>(i))));
  ASSERT_TRUE(run_until({&a, &b}, [&] { return b.messages.size() == sizes.size(); })) << b.messages.size();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_TRUE(equal(b.messages[i].bytes(), a.filled(sizes[i], static_cast<unsigned>(i)).bytes()))
        << sizes[i];
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.messages[i].data()) % 64, 0u);
  }
  EXPECT_EQ(a.transport->counters(peer).messages_sent, sizes.size());
  EXPECT_EQ(b.transport->counters(b.senders[0]).bytes_received, a.transport->counters(peer).bytes_sent);
}

TEST_P(TransportTest, AnswersGoBackToTheirSender) {
  TestNode& server = add("server");
  constexpr std::size_t kClients = 8;
  std::vector<TestNode*> all{&server};
  std::vector<PeerId> peers;
  for (std::size_t i = 0; i < kClients; ++i) {
    TestNode& client = add("client" + std::to_string(i));
    all.push_back(&client);
    peers.push_back(connect(client, server));
    ASSERT_TRUE(client.transport->send(peers[i], client.filled(100 + i, static_cast<unsigned>(i))));
  }
  ASSERT_TRUE(run_until(all, [&] { return server.messages.size() == kClients; }));
  for (std::size_t i = 0; i < kClients; ++i)
    ASSERT_TRUE(server.transport->send(server.senders[i], std::move(server.messages[i])));
  ASSERT_TRUE(run_until(all, [&] {
    for (std::size_t i = 0; i < kClients; ++i)
      if (all[i + 1]->messages.empty()) return false;
    return true;
  }));
  for (std::size_t i = 0; i < kClients; ++i) {
    EXPECT_EQ(all[i + 1]->messages[0].size(), 100 + i);
    EXPECT_EQ(all[i + 1]->senders[0], peers[i]);
  }
}

TEST_P(TransportTest, RefusesWhatIsNoMessage) {
  TestNode &a = add("a"), &b = add("b");
  const PeerId peer = connect(a, b);
  EXPECT_EQ(a.transport->send(peer, Message()).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(a.transport->send(peer, a.transport->messages().take(kMessageBytesMax + 1)).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(a.transport->send(PeerId{77}, a.filled(8, 0)).error().code, ErrorCode::kUnavailable);
}

TEST_P(TransportTest, RefusesAddressesThatAreNone) {
  TestNode &a = add("a"), &b = add("b");
  std::string changed = b.transport->address();
  changed.back() = changed.back() == '0' ? '1' : '0';
  for (const std::string& address :
       {std::string(), std::string("ucx1:"), std::string("ucx1:00"), std::string("nonsense"),
        a.transport->address(), b.transport->address().substr(0, 4), changed,
        std::string("ucx1:") + std::string(400, 'f')}) {
    const Result<PeerId> peer = a.transport->connect(address);
    EXPECT_FALSE(peer) << address;
  }
}

TEST_P(TransportTest, PullsManyPieces) {
  TestNode &a = add("a"), &b = add("b");
  const auto [peer, back] = meet(a, b);
  const Message source = a.filled(3 << 20, 9);
  Result<MemoryRegion> region = a.transport->register_memory(source.bytes(), MemoryKind::kHost);
  ASSERT_TRUE(region);
  std::vector<std::byte> target(2 << 20);
  std::vector<TransferPiece> pieces;
  std::size_t at = 0;
  for (const std::size_t size : {std::size_t{1}, std::size_t{65536}, std::size_t{65537}, std::size_t{300001},
                                 std::size_t{1} << 20, std::size_t{64}}) {
    pieces.push_back({region->id(), at + 17, size, std::span(target).subspan(at, size)});
    at += size;
  }
  const std::unique_ptr<Transfer> transfer = prepare(b, back, pieces);
  EXPECT_EQ(transfer->state(), TransferState::kPrepared);
  ASSERT_TRUE(transfer->post());
  ASSERT_TRUE(run_until({&a, &b}, [&] { return transfer->state() != TransferState::kPosted; }));
  ASSERT_EQ(transfer->state(), TransferState::kDone);
  EXPECT_TRUE(equal(std::span(target).first(at), source.bytes().subspan(17, at)));
  EXPECT_TRUE(equal(transfer->piece(1), source.bytes().subspan(18, 65536)));
  EXPECT_EQ(b.transport->counters(back).bytes_pulled, at);
  EXPECT_EQ(b.transport->counters(back).transfers_done, 1u);
  EXPECT_EQ(a.transport->counters(peer).bytes_served, at);
}

TEST_P(TransportTest, GivesReferencesWhereMemoryIsShared) {
  TestNode &a = add("a"), &b = add("b");
  const auto [peer, back] = meet(a, b);
  const Message source = a.filled(4096, 3);
  Result<MemoryRegion> region = a.transport->register_memory(source.bytes(), MemoryKind::kHost);
  const TransferPiece piece{region->id(), 128, 256, {}};
  Result<std::unique_ptr<Transfer>> transfer = b.transport->prepare(back, {&piece, 1});
  if (!b.transport->capabilities().shares_memory) {
    EXPECT_EQ(transfer.error().code, ErrorCode::kInvalidArgument);
    return;
  }
  ASSERT_TRUE((*transfer)->post());
  ASSERT_EQ((*transfer)->state(), TransferState::kDone);
  EXPECT_EQ((*transfer)->piece(0).data(), source.bytes().data() + 128);
}

TEST_P(TransportTest, RefusesPullsOutsideOfWhatIsRegistered) {
  TestNode &a = add("a"), &b = add("b");
  const auto [peer, back] = meet(a, b);
  const Message source = a.filled(1000, 3);
  Result<MemoryRegion> region = a.transport->register_memory(source.bytes(), MemoryKind::kHost);
  std::vector<std::byte> target(1000);
  const auto pull = [&](RegionId id, std::uint64_t offset, std::size_t bytes) {
    const std::unique_ptr<Transfer> transfer =
        prepare(b, back, {{id, offset, bytes, std::span(target).first(bytes)}});
    EXPECT_TRUE(transfer->post());
    EXPECT_TRUE(run_until({&a, &b}, [&] { return transfer->state() != TransferState::kPosted; }));
    return transfer->state() == TransferState::kDone ? std::string("done")
                                                     : std::string(to_string(transfer->error().code));
  };
  EXPECT_EQ(pull(region->id(), 0, 1000), "done");
  EXPECT_EQ(pull(region->id(), 999, 1), "done");
  EXPECT_EQ(pull(region->id(), 1, 1000), "invalid_argument");
  EXPECT_EQ(pull(region->id(), 1001, 1), "invalid_argument");
  EXPECT_EQ(pull(region->id(), ~std::uint64_t{0}, 2), "invalid_argument");
  EXPECT_EQ(pull(RegionId{4711}, 0, 1), "not_found");
  const RegionId ended = region->id();
  region->reset();
  EXPECT_EQ(pull(ended, 0, 1), "not_found");
  EXPECT_EQ(b.transport->counters(back).transfers_failed, 5u);
  EXPECT_EQ(a.transport->register_memory({}, MemoryKind::kHost).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(a.transport->register_memory(source.bytes(), MemoryKind::kCuda).error().code,
            ErrorCode::kInvalidArgument);
}

TEST_P(TransportTest, RefusesImpossibleTransfers) {
  TestNode &a = add("a"), &b = add("b");
  const auto [peer, back] = meet(a, b);
  std::vector<std::byte> target(8);
  const auto code = [&](PeerId id, const std::vector<TransferPiece>& pieces,
                        const TransferOptions& options = {}) {
    return a.transport->prepare(id, pieces, options).error().code;
  };
  const TransferPiece good{kProbeRegion, 0, 8, target};
  EXPECT_EQ(code(peer, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(peer, std::vector<TransferPiece>(kTransferPiecesMax + 1, good)),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(peer, {{kProbeRegion, 0, 9, target}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(peer, {{kProbeRegion, 0, 0, {}}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(peer, {good}, {.target_kind = MemoryKind::kCuda}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(PeerId{99}, {good}), ErrorCode::kUnavailable);
}

TEST_P(TransportTest, TellsThePeerOfAClose) {
  TestNode &a = add("a"), &b = add("b");
  const auto [peer, back] = meet(a, b);
  ASSERT_TRUE(a.transport->send(peer, a.filled(70000, 5)));
  a.transport->close(peer);
  EXPECT_EQ(a.transport->send(peer, a.filled(8, 0)).error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(run_until({&a, &b}, [&] { return !b.lost.empty(); }));
  EXPECT_EQ(b.lost[0].first, back);
  EXPECT_EQ(b.lost[0].second.code, ErrorCode::kUnavailable);
  ASSERT_EQ(b.messages.size(), 1u);  // what was said before the end still counts
  EXPECT_TRUE(equal(b.messages[0].bytes(), a.filled(70000, 5).bytes()));
  EXPECT_EQ(b.transport->send(back, b.filled(8, 0)).error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(a.lost.empty());
  a.transport->close(peer);  // nothing
  const auto [again, back_again] = meet(a, b);
  EXPECT_NE(again, peer);
  EXPECT_NE(back_again, back);
}

TEST_P(TransportTest, TellsPeersWhenItEnds) {
  TestNode &a = add("a"), &b = add("b");
  const auto [peer, back] = meet(a, b);
  b.transport.reset();
  ASSERT_TRUE(run_until({&a}, [&] { return !a.lost.empty(); }));
  EXPECT_EQ(a.lost[0].first, peer);
  EXPECT_EQ(a.transport->prepare(peer, {}).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(a.transport->path(peer).error().code, ErrorCode::kUnavailable);
}

TEST_P(TransportTest, FailsTransfersOfAClosedPeer) {
  TestNode &a = add("a"), &b = add("b");
  const auto [peer, back] = meet(a, b);
  std::vector<std::byte> target(kProbeRegionBytes);
  const std::unique_ptr<Transfer> transfer = prepare(a, peer, {{kProbeRegion, 0, target.size(), target}});
  const std::unique_ptr<Transfer> late = prepare(a, peer, {{kProbeRegion, 0, target.size(), target}});
  if (!a.transport->capabilities().shares_memory) {
    ASSERT_TRUE(transfer->post());
    ASSERT_EQ(transfer->state(), TransferState::kPosted);
  }
  a.transport->close(peer);
  if (!a.transport->capabilities().shares_memory) {
    ASSERT_EQ(transfer->state(), TransferState::kFailed);
    EXPECT_EQ(transfer->error().code, ErrorCode::kUnavailable);
  }
  EXPECT_EQ(late->post().error().code, ErrorCode::kUnavailable);
}

TEST_P(TransportTest, LetsLateDataOfADestroyedTransferGoNowhere) {
  TestNode &a = add("a"), &b = add("b");
  const auto [peer, back] = meet(a, b);
  std::vector<std::byte> target(1 << 20, std::byte{1});
  std::unique_ptr<Transfer> transfer = prepare(a, peer, {{kProbeRegion, 0, target.size(), target}});
  ASSERT_TRUE(transfer->post());
  transfer.reset();
  std::fill(target.begin(), target.end(), std::byte{2});
  ASSERT_TRUE(a.transport->send(peer, a.filled(8, 1)));
  ASSERT_TRUE(run_until({&a, &b}, [&] { return !b.messages.empty(); }));
  std::vector<std::byte> other(1 << 20);
  const std::unique_ptr<Transfer> next = prepare(a, peer, {{kProbeRegion, 0, other.size(), other}});
  ASSERT_TRUE(next->post());
  ASSERT_TRUE(run_until({&a, &b}, [&] { return next->state() == TransferState::kDone; }));
  EXPECT_EQ(other, std::vector<std::byte>(1 << 20, std::byte{0x5a}));
  EXPECT_EQ(target, std::vector<std::byte>(1 << 20, std::byte{2}));
}

TEST_P(TransportTest, ClosesWhoeverReadsARegionThatEnds) {
  TestNode &a = add("a"), &b = add("b");
  const auto [peer, back] = meet(a, b);
  if (a.transport->capabilities().shares_memory) GTEST_SKIP() << "pulls are immediate where memory is shared";
  auto source = std::make_unique<std::vector<std::byte>>(8 << 20, std::byte{7});
  Result<MemoryRegion> region = a.transport->register_memory(*source, MemoryKind::kHost);
  std::vector<std::byte> target(source->size());
  const std::unique_ptr<Transfer> transfer = prepare(b, back, {{region->id(), 0, target.size(), target}});
  ASSERT_TRUE(transfer->post());
  // The request has come and is being served, but b reads nothing now.
  ASSERT_TRUE(run_until({&a}, [&] { return a.transport->counters(peer).bytes_served > 0; }));
  region->reset();
  source.reset();
  ASSERT_TRUE(run_until({&a, &b}, [&] { return transfer->state() == TransferState::kFailed; }));
  EXPECT_EQ(transfer->error().code, ErrorCode::kUnavailable);
}

TEST_P(TransportTest, ParksUntilAMessageComes) {
  TestNode &a = add("a"), &b = add("b");
  const auto [peer, back] = meet(a, b);
  std::atomic<bool> sleeping{false};
  std::thread sender([&, peer = peer] {
    while (!sleeping) std::this_thread::yield();
    std::this_thread::sleep_for(30ms);  // long after the spinning
    EXPECT_TRUE(a.transport->send(peer, a.filled(100, 1)));
    for (int i = 0; i < 100; ++i) a.transport->progress(a);
  });
  sleeping = true;
  const auto start = std::chrono::steady_clock::now();
  while (b.messages.empty() && std::chrono::steady_clock::now() - start < 5s) {
    b.transport->wait(5s);
    b.transport->progress(b);
  }
  sender.join();
  EXPECT_EQ(b.messages.size(), 1u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
}

TEST_P(TransportTest, WakesAWaiter) {
  TestNode& a = add("a");
  std::thread waker([&] {
    std::this_thread::sleep_for(20ms);
    a.transport->wake();
  });
  const auto start = std::chrono::steady_clock::now();
  a.transport->wait(5s);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  waker.join();
  a.transport->wake();  // before the wait: it ends at once
  a.transport->wait(5s);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  const auto idle = std::chrono::steady_clock::now();
  a.transport->wait(10ms);
  EXPECT_GE(std::chrono::steady_clock::now() - idle, 10ms);
}

TEST_P(TransportTest, MeasuresItsPath) {
  TestNode &a = add("a"), &b = add("b");
  const PeerId peer = connect(a, b);
  std::atomic<bool> stop{false};
  std::thread server([&] {
    while (!stop) {
      b.transport->wait(1ms);
      b.transport->progress(b);
    }
  });
  const Result<PathReport> report = measure_path(*a.transport, peer, a, 5s);
  stop = true;
  server.join();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GT(report->round_trip.count(), 0);
  EXPECT_GT(report->pull_bytes_per_second, 1e6);
  RecordProperty("transports", report->transports);
  std::printf("%s: %s, round trip %.1f us, pull %.2f GB/s\n", GetParam().c_str(), report->transports.c_str(),
              static_cast<double>(report->round_trip.count()) * 1e-3, report->pull_bytes_per_second * 1e-9);
  if (GetParam() == "ucx_tcp") {
    EXPECT_NE(report->transports.find("tcp/lo"), std::string::npos) << report->transports;
    EXPECT_FALSE(report->shared_memory);
  } else if (GetParam() != "inproc") {
    EXPECT_TRUE(report->transports.starts_with("posix") || report->transports.starts_with("sysv"))
        << report->transports;
    EXPECT_TRUE(report->shared_memory);
  }
}

TEST_P(TransportTest, SaysWhenAPeerDoesNotAnswerTheProbe) {
  TestNode &a = add("a"), &b = add("b");
  const PeerId peer = connect(a, b);
  if (a.transport->capabilities().shares_memory)
    GTEST_SKIP() << "pulls need no answer where memory is shared";
  EXPECT_EQ(measure_path(*a.transport, peer, a, 50ms).error().code, ErrorCode::kDeadlineExceeded);
}

INSTANTIATE_TEST_SUITE_P(All,
                         TransportTest,
                         testing::Values("inproc", "ucx_shm", "ucx_tcp", "ucx_any"),
                         [](const testing::TestParamInfo<std::string>& kind) { return kind.param; });

}  // namespace
}  // namespace longshore::transport
