#include "transport/link_metrics.h"

#include <cstdint>

namespace longshore::transport {
namespace {

Counter& bytes(Metrics& metrics, const std::string& peer, const char* direction) {
  return metrics.counter("longshore_link_bytes_total", "Bytes over the connection to a node, by direction",
                         {{"peer", peer}, {"direction", direction}});
}

Counter& messages(Metrics& metrics, const std::string& peer, const char* direction) {
  return metrics.counter("longshore_link_messages_total", "Messages over the connection to a node, by direction",
                         {{"peer", peer}, {"direction", direction}});
}

void raise(Counter& counter, std::uint64_t before, std::uint64_t now) {
  if (now > before) counter.add(static_cast<double>(now - before));
}

}  // namespace

LinkMetrics::LinkMetrics(Metrics& metrics, const std::string& peer)
    : bytes_sent_(bytes(metrics, peer, "sent")),
      bytes_received_(bytes(metrics, peer, "received")),
      bytes_pulled_(bytes(metrics, peer, "pulled")),
      bytes_served_(bytes(metrics, peer, "served")),
      messages_sent_(messages(metrics, peer, "sent")),
      messages_received_(messages(metrics, peer, "received")) {}

void LinkMetrics::update(const LinkCounters& now) {
  raise(bytes_sent_, last_.bytes_sent, now.bytes_sent);
  raise(bytes_received_, last_.bytes_received, now.bytes_received);
  raise(bytes_pulled_, last_.bytes_pulled, now.bytes_pulled);
  raise(bytes_served_, last_.bytes_served, now.bytes_served);
  raise(messages_sent_, last_.messages_sent, now.messages_sent);
  raise(messages_received_, last_.messages_received, now.messages_received);
  last_ = now;
}

}  // namespace longshore::transport
