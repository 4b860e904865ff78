#include "transport/link_metrics.h"

#include <string_view>
#include <utility>

namespace longshore::transport {
namespace {

constexpr std::string_view kBytesHelp = "Bytes of messages and pulled blocks over the link, framing not counted";
constexpr std::string_view kMessagesHelp = "Messages over the link";

void raise(Counter& counter, std::uint64_t before, std::uint64_t now) {
  if (now > before) counter.add(static_cast<double>(now - before));
}

}  // namespace

Counter& LinkMetrics::counter(const char* name,
                              std::string_view help,
                              const std::string& peer,
                              const char* direction) {
  return metrics_.counter(name, help, {{"node", node_}, {"peer", peer}, {"direction", direction}});
}

void LinkMetrics::update(PeerId peer, const std::string& name, const LinkCounters& now) {
  Link& link = links_[peer];
  if (link.bytes_sent == nullptr) {
    link.bytes_sent = &counter("longshore_link_bytes_total", kBytesHelp, name, "sent");
    link.bytes_received = &counter("longshore_link_bytes_total", kBytesHelp, name, "received");
    link.messages_sent = &counter("longshore_link_messages_total", kMessagesHelp, name, "sent");
    link.messages_received = &counter("longshore_link_messages_total", kMessagesHelp, name, "received");
  }
  const LinkCounters before = std::exchange(link.known, now);
  raise(*link.bytes_sent, before.bytes_sent + before.bytes_served, now.bytes_sent + now.bytes_served);
  raise(*link.bytes_received, before.bytes_received + before.bytes_pulled, now.bytes_received + now.bytes_pulled);
  raise(*link.messages_sent, before.messages_sent, now.messages_sent);
  raise(*link.messages_received, before.messages_received, now.messages_received);
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
