#include "workers/compute/link_probe.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "runtime/plan/leaf.h"
#include "transport/wire/attention_messages.h"

namespace longshore::compute {
namespace {

constexpr int kWarmUp = 2;  // the first messages open UCX's lanes and fill pools
constexpr int kSmall = 25, kLarge = 9;
// About what a small model's layer takes: the other side waits as it does between two layers (transport/wait_policy.h).
constexpr std::chrono::microseconds kPause{150};
// Ids that no scheduler gives out: sequences are counted from 1.
constexpr SequenceId kNobody{0};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

transport::Message question(std::uint64_t ask, std::uint32_t tokens, const LinkProbeShape& shape,
                            transport::MessagePool& pool) {
  std::vector<std::uint32_t> heads(shape.kv_heads);
  std::iota(heads.begin(), heads.end(), 0u);
  wire::AttentionQueryWriter writer({PlanGeneration{0}, StepId{0}, ask, 0, shape.group, shape.head_dim});
  writer.add_item({kNobody, SequenceEpoch{0}, kLeafTokens, tokens, 1, heads, {}});
  writer.lay_out(pool);
  std::ranges::fill(writer.q(0), 0.0f);
  return writer.finish();
}

// Seconds from sending the question to having its answer.
Result<double> round_trip(Holders& holders, NodeId node, std::uint32_t tokens, const LinkProbeShape& shape,
                          const Clock& clock, TimePoint deadline) {
  holders.wait(kPause);
  const std::uint64_t ask = holders.next_ask();
  transport::Message message = question(ask, tokens, shape, holders.transport().messages());
  const TimePoint start = clock.now();
  holders.send_query(node, ask, std::move(message));
  holders.wait_for_replies({&ask, 1}, deadline);
  const double seconds = std::chrono::duration<double>(clock.now() - start).count();
  if (holders.take_reply(ask)) return seconds;
  return make_error(ErrorCode::kUnavailable, "attention node ", node.value, " was lost while its link was measured");
}

}  // namespace

Result<LinkReport> measure_link(Holders& holders, NodeId node, const LinkProbeShape& shape, const Clock& clock,
                                std::chrono::milliseconds limit) {
  const TimePoint deadline = clock.now() + limit;
  const std::size_t row_bytes = std::size_t{shape.kv_heads} * shape.group * shape.head_dim * sizeof(float);
  const auto rows = static_cast<std::uint32_t>(std::clamp<std::size_t>(shape.block_bytes / row_bytes, 2, kLeafTokens));
  std::vector<double> small, large;
  for (int i = 0; i < kWarmUp + kSmall; ++i) {
    const Result<double> seconds = round_trip(holders, node, 1, shape, clock, deadline);
    if (!seconds) return seconds.error();
    if (i >= kWarmUp) small.push_back(*seconds);
  }
  for (int i = 0; i < kLarge; ++i) {
    const Result<double> seconds = round_trip(holders, node, rows, shape, clock, deadline);
    if (!seconds) return seconds.error();
    large.push_back(*seconds);
  }
  const Result<transport::PathReport> path = holders.path(node);
  if (!path) return path.error();
  LinkReport report;
  report.node = node;
  report.transports = path->transports;
  report.round_trip_seconds = median(std::move(small));
  // Below a tenth of the whole, the difference is noise of the two medians.
  const double large_seconds = median(std::move(large));
  report.bytes_per_second = static_cast<double>((rows - 1) * row_bytes) /
                            std::max(large_seconds - report.round_trip_seconds, large_seconds / 10);
  return report;
}

}  // namespace longshore::compute
