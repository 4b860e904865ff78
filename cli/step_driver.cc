#include "cli/step_driver.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace longshore::cli {

void StepDriver::start(std::uint32_t batch, std::uint64_t tokens_expected, std::uint32_t prompt_tokens) {
  sequences_.clear();
  for (std::uint32_t s = 0; s < batch; ++s) {
    SequenceStart start;
    start.sequence = SequenceId{++last_id_};
    start.prompt_tokens = prompt_tokens;
    start.tokens_expected = tokens_expected;
    start.heads = heads_;
    starts_.push_back(start);
    sequences_.push_back({start.sequence, 0});
  }
}

Result<std::vector<double>> StepDriver::prefill(std::uint32_t tokens) {
  std::vector<double> seconds;
  for (Sequence& sequence : sequences_)
    for (std::uint32_t done = 0; done < tokens;) {
      const std::uint32_t run = std::min(chunk_, tokens - done);
      done += run;
      const Result<double> step = execute({entry(sequence, run, done == tokens)});
      if (!step) return step.error();
      seconds.push_back(*step);
    }
  return seconds;
}

Result<void> StepDriver::await_holders() {
  constexpr std::chrono::seconds kLimit{30};
  const auto end = std::chrono::steady_clock::now() + kLimit;
  for (node_.poll(); node_.open_offers() > 0; node_.poll()) {
    if (std::chrono::steady_clock::now() >= end)
      return make_error(ErrorCode::kDeadlineExceeded, node_.open_offers(), " blocks were not taken by their holders within ",
                        kLimit.count(), " s");
    std::this_thread::yield();
  }
  return {};
}

Result<std::vector<double>> StepDriver::decode(std::uint32_t tokens) {
  std::vector<double> seconds;
  for (std::uint32_t t = 0; t < tokens; ++t) {
    std::vector<StepEntry> entries;
    for (Sequence& sequence : sequences_) entries.push_back(entry(sequence, 1, true));
    const Result<double> step = execute(std::move(entries));
    if (!step) return step.error();
    seconds.push_back(*step);
  }
  return seconds;
}

Result<void> StepDriver::finish() {
  for (const Sequence& sequence : sequences_) releases_.push_back(sequence.id);
  const Result<double> ended = execute({});
  return ended ? Result<void>() : ended.error();
}

StepEntry StepDriver::entry(Sequence& sequence, std::uint32_t tokens, bool sample) {
  StepEntry entry;
  entry.sequence = sequence.id;
  entry.position = sequence.position;
  for (std::uint32_t t = 0; t < tokens; ++t)
    entry.tokens.push_back(static_cast<TokenId>(random_.below(node_.config().vocabulary)));
  entry.sample = sample;
  sequence.position += tokens;
  return entry;
}

Result<double> StepDriver::execute(std::vector<StepEntry> entries) {
  StepBatch batch;
  batch.id = StepId{++last_step_};
  batch.starts = std::exchange(starts_, {});
  batch.releases = std::exchange(releases_, {});
  batch.entries = std::move(entries);
  const StepOutcome outcome = node_.execute(batch);
  for (const EntryOutcome& of_entry : outcome.entries)
    if (of_entry.error) return *of_entry.error;
  account_.stages.add(node_.stage_seconds());
  account_.seconds += outcome.timing.total;
  ++account_.steps;
  return outcome.timing.total;
}

}  // namespace longshore::cli
