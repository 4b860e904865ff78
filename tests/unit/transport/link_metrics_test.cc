#include "transport/link_metrics.h"

#include <gtest/gtest.h>

namespace longshore::transport {
namespace {

double bytes(Metrics& metrics, const char* peer, const char* direction) {
  return metrics
      .counter("longshore_link_bytes_total", "", {{"node", "compute-0"}, {"peer", peer}, {"direction", direction}})
      .value();
}

TEST(LinkMetricsTest, CountsMessagesAndPulledBlocksOfEachDirection) {
  Metrics metrics;
  LinkMetrics links(metrics, "compute-0");
  LinkCounters counters;
  counters.bytes_sent = 10;
  counters.bytes_served = 100;
  counters.bytes_received = 3;
  counters.bytes_pulled = 30;
  links.update(PeerId{1}, "a", counters);
  EXPECT_EQ(bytes(metrics, "a", "sent"), 110);
  EXPECT_EQ(bytes(metrics, "a", "received"), 33);
  counters.bytes_sent = 15;
  links.update(PeerId{1}, "a", counters);
  links.update(PeerId{1}, "a", counters);
  EXPECT_EQ(bytes(metrics, "a", "sent"), 115);
}

TEST(LinkMetricsTest, GoesOnCountingWhenAPeerComesBack) {
  Metrics metrics;
  LinkMetrics links(metrics, "compute-0");
  LinkCounters counters;
  counters.bytes_sent = 50;
  links.update(PeerId{1}, "a", counters);
  links.forget(PeerId{1});
  counters.bytes_sent = 20;  // of the new connection
  links.update(PeerId{2}, "a", counters);
  EXPECT_EQ(bytes(metrics, "a", "sent"), 70);
}

TEST(LinkMetricsTest, TellsWhatALinkMeasured) {
  Metrics metrics;
  LinkMetrics(metrics, "compute-0").measured("a", "posix", 2e-6, 5e9);
  const std::string text = metrics.text();
  EXPECT_NE(text.find("transports=\"posix\"} 1"), std::string::npos) << text;
  EXPECT_NE(text.find("longshore_link_round_trip_seconds{"), std::string::npos) << text;
}

}  // namespace
}  // namespace longshore::transport
