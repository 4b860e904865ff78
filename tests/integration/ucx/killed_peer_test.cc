// What a node sees of a process that is killed or stopped, over shared memory and over TCP.

#include "tests/integration/ucx/test_node.h"
#include "transport/path_probe.h"
#include "transport/ucx/ucx_transport.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

extern char** environ;

namespace longshore::transport {
namespace {

using namespace std::chrono_literals;

// echo_node as a child; killed when this ends.
class EchoProcess {
 public:
  EchoProcess(const std::string& tls, const std::string& devices) {
    int output[2], input[2];
    EXPECT_EQ(pipe(output) | pipe(input), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    posix_spawn_file_actions_addclose(&actions, input[1]);
    const char* arguments[] = {ECHO_NODE, tls.c_str(), devices.c_str(), nullptr};
    EXPECT_EQ(posix_spawn(&process_, ECHO_NODE, &actions, nullptr, const_cast<char**>(arguments), environ),
              0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(output[1]);
    ::close(input[0]);
    input_ = input[1];
    for (char c = 0; read(output[0], &c, 1) == 1 && c != '\n';) address_ += c;
    ::close(output[0]);
  }
  ~EchoProcess() {
    kill(SIGCONT);
    kill(SIGKILL);
    ::close(input_);
  }
  EchoProcess(const EchoProcess&) = delete;
  EchoProcess& operator=(const EchoProcess&) = delete;

  const std::string& address() const { return address_; }
  void kill(int signal) {
    if (process_ <= 0) return;
    ::kill(process_, signal);
    if (signal != SIGKILL) return;
    waitpid(process_, nullptr, 0);
    process_ = -1;
  }

 private:
  pid_t process_ = -1;
  int input_ = -1;
  std::string address_;
};

struct Wires {
  std::string name, tls, devices;
};

class KilledPeerTest : public testing::TestWithParam<Wires> {
 protected:
  KilledPeerTest()
      : child_(GetParam().tls, GetParam().devices),
        node_(*create_ucx_transport(
            {.tls = GetParam().tls, .net_devices = GetParam().devices, .keepalive = 500ms})) {
    const Result<PeerId> peer = node_.transport->connect(child_.address());
    EXPECT_TRUE(peer) << child_.address();
    peer_ = *peer;
  }
  bool echoes(std::size_t size) {
    node_.messages.clear();
    EXPECT_TRUE(node_.transport->send(peer_, node_.filled(size, 1)));
    return run_until({&node_}, [&] { return !node_.messages.empty(); }) &&
           equal(node_.messages[0].bytes(), node_.filled(size, 1).bytes());
  }

  EchoProcess child_;
  TestNode node_;
  PeerId peer_;
};

TEST_P(KilledPeerTest, TalksToAnotherProcessOverTheRightTransport) {
  EXPECT_TRUE(echoes(100));
  EXPECT_TRUE(echoes(5 << 20));
  const Result<PathReport> path = measure_path(*node_.transport, peer_, node_, 5s);
  ASSERT_TRUE(path) << path.error().message;
  std::printf("%s: %s, round trip %.1f us, pull %.2f GB/s\n", GetParam().name.c_str(),
              path->transports.c_str(), static_cast<double>(path->round_trip.count()) * 1e-3,
              path->pull_bytes_per_second * 1e-9);
  EXPECT_EQ(path->shared_memory, GetParam().name != "tcp") << path->transports;
}

TEST_P(KilledPeerTest, ReportsAKilledPeerAndFailsItsTransfers) {
  ASSERT_TRUE(echoes(100));
  child_.kill(SIGSTOP);  // so that the transfer is under way when it dies
  std::vector<std::byte> target(kProbeRegionBytes);
  const TransferPiece piece{kProbeRegion, 0, target.size(), target};
  Result<std::unique_ptr<Transfer>> transfer = node_.transport->prepare(peer_, {&piece, 1});
  ASSERT_TRUE(transfer);
  ASSERT_TRUE((*transfer)->post());
  child_.kill(SIGKILL);
  ASSERT_TRUE(run_until({&node_}, [&] { return !node_.lost.empty(); }));
  EXPECT_EQ(node_.lost.size(), 1u);
  EXPECT_EQ(node_.lost[0].first, peer_);
  EXPECT_EQ(node_.lost[0].second.code, ErrorCode::kUnavailable);
  EXPECT_EQ((*transfer)->state(), TransferState::kFailed);
  EXPECT_EQ((*transfer)->error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(node_.transport->send(peer_, node_.filled(8, 0)).error().code, ErrorCode::kUnavailable);
  EchoProcess next(GetParam().tls, GetParam().devices);  // the node itself lives on
  peer_ = *node_.transport->connect(next.address());
  EXPECT_TRUE(echoes(1000));
}

TEST_P(KilledPeerTest, LosesAPeerThatDiesWhileItSleeps) {
  ASSERT_TRUE(echoes(100));
  child_.kill(SIGKILL);
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (node_.lost.empty() && std::chrono::steady_clock::now() < end) {
    node_.transport->wait(1s);
    node_.transport->progress(node_);
  }
  EXPECT_EQ(node_.lost.size(), 1u);
}

TEST_P(KilledPeerTest, IsNotHeldUpByAStoppedPeer) {
  ASSERT_TRUE(echoes(100));
  child_.kill(SIGSTOP);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(node_.transport->send(peer_, node_.filled(1 << 20, 1)));
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    node_.transport->wait(10ms);
    node_.transport->progress(node_);
  }
  node_.transport->close(peer_);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  EXPECT_TRUE(node_.lost.empty());
  node_.transport.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4s);
}

TEST_P(KilledPeerTest, HearsAStoppedPeerAgain) {
  ASSERT_TRUE(echoes(100));
  child_.kill(SIGSTOP);
  node_.messages.clear();
  ASSERT_TRUE(node_.transport->send(peer_, node_.filled(3 << 20, 1)));
  for (int i = 0; i < 10; ++i) node_.transport->wait(10ms);
  child_.kill(SIGCONT);
  EXPECT_TRUE(run_until({&node_}, [&] { return !node_.messages.empty(); }));
}

INSTANTIATE_TEST_SUITE_P(Wires,
                         KilledPeerTest,
                         testing::Values(Wires{"shm", "posix,sysv,self", ""},
                                         Wires{"shm_cma", "posix,sysv,cma,self", ""},
                                         Wires{"tcp", "tcp", "lo"}),
                         [](const testing::TestParamInfo<Wires>& kind) { return kind.param.name; });

TEST(UcxTransportTest, RefusesTransportsThatDoNotExist) {
  const auto made = create_ucx_transport({.tls = "carrier_pigeon"});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kFailedPrecondition) << made.error().message;
  EXPECT_NE(made.error().message.find("carrier_pigeon"), std::string::npos);
}

TEST(UcxTransportTest, RefusesDevicesThatDoNotExist) {
  const auto made = create_ucx_transport({.tls = "tcp", .net_devices = "nosuch0"});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kFailedPrecondition) << made.error().message;
}

}  // namespace
}  // namespace longshore::transport
