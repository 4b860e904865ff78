#include "cli/eval/sequence_steps.h"

#include <utility>

namespace longshore::cli::eval {

SequenceId SequenceSteps::start(const HeadPlan& heads, std::uint32_t prompt_tokens, std::uint32_t tokens_expected) {
  SequenceStart start;
  start.sequence = SequenceId{++last_id_};
  start.sampling.temperature = 0;
  start.prompt_tokens = prompt_tokens;
  start.tokens_expected = tokens_expected;
  start.heads = heads;
  starts_.push_back(start);
  return start.sequence;
}

Result<EntryOutcome> SequenceSteps::step(StepEntry entry) {
  // What is over goes first: a step of its own, since starts of one batch are applied before its releases.
  if (!releases_.empty()) {
    StepBatch release;
    release.id = last_step_ = StepId{last_step_.value + 1};
    release.releases = std::exchange(releases_, {});
    node_.execute(release);
  }
  StepBatch batch;
  batch.id = last_step_ = StepId{last_step_.value + 1};
  batch.starts = std::exchange(starts_, {});
  batch.entries.push_back(std::move(entry));
  StepOutcome outcome = node_.execute(batch);
  if (outcome.entries.front().error) return *outcome.entries.front().error;
  return std::move(outcome.entries.front());
}

}  // namespace longshore::cli::eval
