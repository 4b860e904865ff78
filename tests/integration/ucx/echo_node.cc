// A node of its own process for killed_peer_test: prints its address, sends every message back, until it is
// killed or its standard input ends.   echo_node TLS NET_DEVICES

#include "transport/transport.h"
#include "transport/ucx/ucx_transport.h"

#include <poll.h>

#include <chrono>
#include <cstdio>
#include <utility>

namespace {

using namespace longshore::transport;

class Echo final : public Receiver {
 public:
  explicit Echo(Transport& transport) : transport_(transport) {}
  void on_message(PeerId peer, Message message) override { (void)transport_.send(peer, std::move(message)); }
  void on_peer_lost(PeerId, const longshore::Error&) override {}

 private:
  Transport& transport_;
};

bool input_has_ended() {
  pollfd input{0, POLLIN | POLLHUP, 0};
  return poll(&input, 1, 0) > 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto transport = create_ucx_transport({.tls = argv[1], .net_devices = argv[2]});
  if (!transport) {
    std::fprintf(stderr, "%s\n", transport.error().message.c_str());
    return 1;
  }
  std::printf("%s\n", (*transport)->address().c_str());
  std::fflush(stdout);
  Echo echo(**transport);
  while (!input_has_ended()) {
    (*transport)->wait(std::chrono::milliseconds(100));
    (*transport)->progress(echo);
  }
  return 0;
}
