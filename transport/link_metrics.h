#pragma once

#include "runtime/base/metrics.h"
#include "transport/endpoint.h"

#include <string>

namespace longshore::transport {

// The counters of one connection as metrics, `longshore_link_bytes_total{peer,direction}` and
// `longshore_link_messages_total{peer,direction}`: sent and received in messages, pulled and served in
// transfers. Totals go on over the connections that a peer has one after another. Thread: one.
class LinkMetrics {
 public:
  // `peer`: the node's name, never its address. `metrics` outlives it.
  LinkMetrics(Metrics& metrics, const std::string& peer);

  // Requires: counters of one connection, which never fall.
  void update(const LinkCounters& now);

 private:
  Counter& bytes_sent_;
  Counter& bytes_received_;
  Counter& bytes_pulled_;
  Counter& bytes_served_;
  Counter& messages_sent_;
  Counter& messages_received_;
  LinkCounters last_;
};

}  // namespace longshore::transport
