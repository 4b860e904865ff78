#include "transport/link_metrics.h"

#include <string_view>

namespace longshore::transport {
namespace {

constexpr std::string_view kBytesHelp = "Bytes of messages and pulled blocks over the link, framing not counted";

}  // namespace

void LinkMetrics::update(PeerId peer, const std::string& name, const LinkCounters& counters) {
  Link& link = links_[peer];
  if (link.sent == nullptr) {
    const auto counter = [&](const char* direction) {
      return &metrics_.counter("longshore_link_bytes_total", kBytesHelp,
                               {{"node", node_}, {"peer", name}, {"direction", direction}});
    };
    link.sent = counter("sent");
    link.received = counter("received");
  }
  const auto raise = [](Counter& counter, std::uint64_t& known, std::uint64_t now) {
    if (now <= known) return;
    counter.add(static_cast<double>(now - known));
    known = now;
  };
  raise(*link.sent, link.bytes_sent, counters.bytes_sent + counters.bytes_served);
  raise(*link.received, link.bytes_received, counters.bytes_received + counters.bytes_pulled);
}

void LinkMetrics::measured(const std::string& name,
                           const std::string& transports,
                           double round_trip_seconds,
                           double bytes_per_second) {
  const Labels labels{{"node", node_}, {"peer", name}};
  metrics_
      .gauge("longshore_link_round_trip_seconds",
             "Round trip of a query-sized message, measured as the link opened", labels)
      .set(round_trip_seconds);
  metrics_
      .gauge("longshore_link_bytes_per_second", "Rate of block-sized messages, measured as the link opened",
             labels)
      .set(bytes_per_second);
  metrics_
      .gauge("longshore_link_info", "1; `transports` is what the link really uses",
             {{"node", node_}, {"peer", name}, {"transports", transports}})
      .set(1);
}

}  // namespace longshore::transport
