#pragma once

#include "runtime/base/metrics.h"
#include "transport/endpoint.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace longshore::transport {

// What a node's connections are and carry, as metrics with the labels `node` (this one) and `peer`:
// longshore_link_bytes_total{direction="sent"|"received"}, of messages and of pulled blocks, in process by
// reference as well; longshore_link_messages_total{direction}; and for links that were measured longshore_link_round_trip_seconds,
// longshore_link_bytes_per_second and longshore_link_info{transports} = 1.
// Thread: one, the owner of the transport; one object per Transport, because it numbers the peers.
class LinkMetrics {
 public:
  // `metrics` outlives it.
  LinkMetrics(Metrics& metrics, std::string node) : metrics_(metrics), node_(std::move(node)) {}

  // Raises the counters to what this connection has carried by now. Connections of the same name add up.
  void update(PeerId peer, const std::string& name, const LinkCounters& counters);
  // After its last update.
  void forget(PeerId peer) { links_.erase(peer); }
  void measured(const std::string& name,
                const std::string& transports,
                double round_trip_seconds,
                double bytes_per_second);

 private:
  struct Link {
    Counter* bytes_sent = nullptr;
    Counter* bytes_received = nullptr;
    Counter* messages_sent = nullptr;
    Counter* messages_received = nullptr;
    LinkCounters known;  // what they have been told
  };

  Counter& counter(const char* name, std::string_view help, const std::string& peer, const char* direction);

  Metrics& metrics_;
  const std::string node_;
  std::map<PeerId, Link> links_;
};

}  // namespace longshore::transport
