#include "workers/compute/decode_probe.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace longshore::compute {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::uint32_t kRows = 4;  // of the wider steps
constexpr int kStepsMin = 3;
constexpr std::uint32_t kStepsMax = kLeafTokens - 1;  // one leaf per sequence
// Ids that no scheduler gives out: sequences are counted from 1.
constexpr std::uint64_t kFirstId = std::uint64_t{1} << 62;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Made-up sequences that go on together, a token each.
class Rows {
 public:
  Rows(std::uint64_t first_id, std::uint32_t rows) : first_(first_id), rows_(rows) {}

  // Seconds of their next step.
  Result<double> step(ComputeNode& node) {
    StepBatch batch;
    for (std::uint32_t row = 0; row < rows_; ++row) {
      if (position_ == 0) {
        SequenceStart start;
        start.sequence = SequenceId{first_ + row};
        start.prompt_tokens = 1;
        start.tokens_expected = 1;
        batch.starts.push_back(start);
      }
      StepEntry entry;
      entry.sequence = SequenceId{first_ + row};
      entry.position = position_;
      entry.tokens = {0};
      entry.sample = true;
      batch.entries.push_back(std::move(entry));
    }
    ++position_;
    const StepOutcome outcome = node.execute(batch);
    for (const EntryOutcome& entry : outcome.entries)
      if (entry.error) return *entry.error;
    return outcome.timing.total;
  }

  void release(ComputeNode& node) const {
    StepBatch batch;
    for (std::uint32_t row = 0; row < rows_; ++row) batch.releases.push_back(SequenceId{first_ + row});
    node.execute(batch);
  }

 private:
  std::uint64_t first_;
  std::uint32_t rows_, position_ = 0;
};

Result<DecodeRate> measure(ComputeNode& node, Rows& one, Rows* several, std::chrono::milliseconds duration) {
  std::vector<double> alone, further;
  const auto end = SteadyClock::now() + duration;
  for (std::uint32_t position = 0; position < kStepsMax; ++position) {
    if (alone.size() >= kStepsMin && SteadyClock::now() >= end) break;
    const Result<double> of_one = one.step(node);
    if (!of_one) return of_one.error();
    const Result<double> of_several = several == nullptr ? of_one : several->step(node);
    if (!of_several) return of_several.error();
    if (position == 0) continue;  // touches memory for the first time
    alone.push_back(*of_one);
    further.push_back(*of_several - *of_one);  // of neighbours in time, so that what else runs on the machine cancels out
  }
  return DecodeRate{median(std::move(alone)), std::max(0.0, median(std::move(further)) / (kRows - 1))};
}

}  // namespace

Result<DecodeRate> decode_rate(ComputeNode& node, std::uint32_t sequences_max, std::chrono::milliseconds duration) {
  Rows one(kFirstId, 1), several(kFirstId + 1, kRows);
  const bool has_room = sequences_max > kRows;
  const Result<DecodeRate> rate = measure(node, one, has_room ? &several : nullptr, duration);
  one.release(node);
  several.release(node);
  return rate;
}

}  // namespace longshore::compute
