#include "workers/compute/decode_probe.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace longshore::compute {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::uint32_t kRows = 4;  // of the wider steps: as many as one tile of the kernels takes at least
constexpr int kStepsMin = 3;
constexpr std::uint32_t kStepsMax = kLeafTokens - 1;  // one leaf per sequence

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The median step of `rows` sequences, one token each.
Result<double> step_of(ComputeNode& node, std::uint32_t rows, std::chrono::milliseconds duration) {
  StepBatch batch;
  for (std::uint32_t row = 0; row < rows; ++row) {
    SequenceStart start;
    start.sequence = SequenceId{row + 1};
    start.prompt_tokens = 1;
    start.tokens_expected = 1;  // stays in its first leaf, so that nothing is handed over
    batch.starts.push_back(start);
  }
  std::vector<double> seconds;
  const auto end = SteadyClock::now() + duration;
  for (std::uint32_t position = 0; position < kStepsMax; ++position) {
    if (seconds.size() >= kStepsMin && SteadyClock::now() >= end) break;
    batch.id = StepId{batch.id.value + 1};
    batch.entries.clear();
    for (std::uint32_t row = 0; row < rows; ++row) {
      StepEntry entry;
      entry.sequence = SequenceId{row + 1};
      entry.position = position;
      entry.tokens = {0};
      entry.sample = true;
      batch.entries.push_back(std::move(entry));
    }
    const StepOutcome outcome = node.execute(batch);
    for (const EntryOutcome& entry : outcome.entries)
      if (entry.error) return *entry.error;
    batch.starts.clear();
    if (position > 0) seconds.push_back(outcome.timing.total);  // the first touches memory for the first time
  }
  node.forget_all();
  return median(std::move(seconds));
}

}  // namespace

Result<DecodeRate> decode_rate(ComputeNode& node, std::uint32_t sequences_max, std::chrono::milliseconds duration) {
  const Result<double> one = step_of(node, 1, duration / 2);
  if (!one) return one.error();
  DecodeRate rate{*one, 0};
  const std::uint32_t rows = std::min(kRows, sequences_max);
  if (rows < 2) return rate;
  const Result<double> several = step_of(node, rows, duration / 2);
  if (!several) return several.error();
  rate.row_seconds = std::max(0.0, (*several - *one) / (rows - 1));
  return rate;
}

}  // namespace longshore::compute
