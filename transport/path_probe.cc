#include "transport/path_probe.h"

#include <algorithm>
#include <array>
#include <vector>

namespace longshore::transport {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kSmallBytes = 8;
constexpr int kSmallPulls = 101;  // odd: the median is one of them
constexpr int kSmallPullsMin = 12;
constexpr std::chrono::milliseconds kSmallTime{10};
constexpr std::size_t kLargePiece = 64 << 10;  // about a KvBlock
constexpr std::chrono::milliseconds kLargeTime{20};

Result<std::chrono::nanoseconds> pull(Transport& transport,
                                      PeerId peer,
                                      Receiver& receiver,
                                      std::span<const TransferPiece> pieces,
                                      Steady::time_point deadline) {
  Result<std::unique_ptr<Transfer>> transfer = transport.prepare(peer, pieces);
  if (!transfer) return transfer.error();
  const Steady::time_point start = Steady::now();
  if (Result<void> posted = (*transfer)->post(); !posted) return posted.error();
  while ((*transfer)->state() == TransferState::kPosted) {
    const Steady::time_point now = Steady::now();
    if (now >= deadline)
      return make_error(ErrorCode::kDeadlineExceeded, "peer ", peer.value, " did not answer a pull of ",
                        pieces.size() * pieces[0].bytes, " bytes in time; is it running?");
    transport.wait(deadline - now);
    transport.progress(receiver);
  }
  if ((*transfer)->state() == TransferState::kFailed) return (*transfer)->error();
  return Steady::now() - start;
}

}  // namespace

Result<PathReport> measure_path(Transport& transport,
                                PeerId peer,
                                Receiver& receiver,
                                std::chrono::milliseconds deadline) {
  const Steady::time_point end = Steady::now() + deadline;

  std::array<std::byte, kSmallBytes> small{};
  const TransferPiece one{kProbeRegion, 0, small.size(), small};
  std::vector<std::chrono::nanoseconds> times;
  const Steady::time_point small_end = Steady::now() + kSmallTime;
  // The first pull connects; it does not count.
  for (int i = 0; i < kSmallPulls && (i < kSmallPullsMin || Steady::now() < small_end); ++i) {
    Result<std::chrono::nanoseconds> time = pull(transport, peer, receiver, {&one, 1}, end);
    if (!time) return time.error();
    if (i > 0) times.push_back(*time);
  }
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  Result<PathReport> report = transport.path(peer);  // now that the connection stands
  if (!report) return report;
  report->round_trip = times[times.size() / 2];

  std::vector<std::byte> large(kProbeRegionBytes);
  std::vector<TransferPiece> pieces;
  for (std::size_t at = 0; at < large.size(); at += kLargePiece)
    pieces.push_back({kProbeRegion, at, kLargePiece, std::span(large).subspan(at, kLargePiece)});
  const Steady::time_point large_end = Steady::now() + kLargeTime;
  std::chrono::nanoseconds best = std::chrono::nanoseconds::max();
  do {
    Result<std::chrono::nanoseconds> time = pull(transport, peer, receiver, pieces, end);
    if (!time) return time.error();
    best = std::min(best, *time);
  } while (Steady::now() < large_end);
  // The best of a few: whatever else ran on the machine only ever makes a pull slower.
  report->pull_bytes_per_second =
      static_cast<double>(large.size()) /
      std::chrono::duration<double>(std::max(best, std::chrono::nanoseconds(1))).count();
  return report;
}

}  // namespace longshore::transport
