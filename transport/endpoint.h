#pragma once

#include "runtime/base/ids.h"

#include <chrono>
#include <cstdint>
#include <string>

namespace longshore::transport {

// One connection of one Transport, numbered by that Transport from 1 and never reused. A peer that was lost
// and comes back gets a new id, so nothing late can be taken for the new one's.
using PeerId = StrongId<struct PeerTag, std::uint32_t>;

// What the path to a peer is, as chosen by the transport and as measured by `measure_path` (path_probe.h).
struct PathReport {
  std::string transports;                  // "inproc", "posix", "tcp/lo", ...: comma-separated, in lane order
  bool shared_memory = false;              // messages do not pass a network stack
  std::chrono::nanoseconds round_trip{0};  // median of small pulls (request and answer); 0: not measured
  double pull_bytes_per_second = 0;        // of large pulls from that peer; 0: not measured
};

// Bytes and messages of one connection since it began; framing of the transport itself is not counted.
struct LinkCounters {
  std::uint64_t messages_sent = 0, bytes_sent = 0;
  std::uint64_t messages_received = 0, bytes_received = 0;
  std::uint64_t transfers_done = 0, transfers_failed = 0;
  std::uint64_t bytes_pulled = 0;  // by our transfers, from that peer
  std::uint64_t bytes_served = 0;  // to that peer's transfers
};

}  // namespace longshore::transport
