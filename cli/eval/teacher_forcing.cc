#include "cli/eval/teacher_forcing.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace longshore::cli::eval {
namespace {

constexpr std::size_t kLogitBytesMax = 64u << 20;  // of a chunk of one run

void add(const RowDistance& distance, std::uint32_t row, std::vector<RunOfRows>& runs) {
  if (row % kRowsOfRun == 0) runs.emplace_back();
  RunOfRows& run = runs.back();
  ++run.rows;
  run.kl += distance.kl;
  run.agreements += distance.same_top ? 1 : 0;
  run.dense_nll += distance.dense_nll;
  run.preset_nll += distance.preset_nll;
}

}  // namespace

TeacherForcing::TeacherForcing(SequenceSteps& steps, ThreadPool& pool, const std::vector<EvaluatedPreset>& presets,
                               std::uint32_t chunk_tokens)
    : steps_(steps), pool_(pool), presets_(presets), chunk_(chunk_tokens) {
  const std::size_t vocabulary = steps.node().config().vocabulary;
  const std::size_t rows = kLogitBytesMax / (vocabulary * sizeof(float));
  scored_ = static_cast<std::uint32_t>(std::clamp<std::size_t>(rows, 1, chunk_tokens));
  dense_logits_.resize(scored_ * vocabulary);
  preset_logits_.resize(scored_ * vocabulary);
  distances_.resize(scored_);
}

Result<SampleResult> TeacherForcing::run(std::uint32_t index, std::span<const TokenId> window) {
  const auto tokens = static_cast<std::uint32_t>(window.size()), half = tokens / 2, end = tokens - 1;
  CHECK(half >= 2) << "a window of " << tokens << " tokens";
  const model::ModelConfig& config = steps_.node().config();
  SampleResult result;
  result.task = Task::kText;
  result.index = index;
  result.prompt_tokens = half;
  result.presets.resize(presets_.size());
  result.dense.positions = positions_read(config, {}, half, half, end);
  const SequenceId dense = steps_.start({}, half, tokens);
  if (Result<void> done = prefill(dense, window.first(half)); !done) return done.error();
  std::vector<SequenceId> sequences;
  for (std::size_t p = 0; p < presets_.size(); ++p) {
    sequences.push_back(steps_.start(presets_[p].heads, half, tokens));
    if (Result<void> done = prefill(sequences[p], window.first(half)); !done) return done.error();
    // Only now is it known that the plan fits the model.
    result.presets[p].positions = positions_read(config, presets_[p].heads, half, half, end);
  }
  for (std::uint32_t begin = half; begin < end; begin += scored_) {
    const std::uint32_t rows = std::min(scored_, end - begin);
    if (Result<void> done = score(dense, window, begin, rows, dense_logits_); !done) return done.error();
    for (std::size_t p = 0; p < presets_.size(); ++p) {
      if (Result<void> done = score(sequences[p], window, begin, rows, preset_logits_); !done) return done.error();
      compare_rows(window, begin, rows);
      for (std::uint32_t r = 0; r < rows; ++r) add(distances_[r], begin - half + r, result.presets[p].rows);
    }
  }
  steps_.end(dense);
  for (const SequenceId sequence : sequences) steps_.end(sequence);
  return result;
}

Result<void> TeacherForcing::prefill(SequenceId sequence, std::span<const TokenId> tokens) {
  for (std::size_t begin = 0; begin < tokens.size(); begin += chunk_) {
    const std::span<const TokenId> chunk = tokens.subspan(begin, std::min<std::size_t>(chunk_, tokens.size() - begin));
    StepEntry entry;
    entry.sequence = sequence;
    entry.position = static_cast<std::uint32_t>(begin);
    entry.tokens.assign(chunk.begin(), chunk.end());
    if (const Result<EntryOutcome> done = steps_.step(std::move(entry)); !done) return done.error();
  }
  return {};
}

Result<void> TeacherForcing::score(SequenceId sequence, std::span<const TokenId> window, std::uint32_t begin,
                                   std::uint32_t rows, std::vector<float>& logits) {
  const std::size_t vocabulary = steps_.node().config().vocabulary;
  std::uint32_t seen = 0;
  steps_.node().observe_logits([&](SequenceId, std::uint32_t position, std::span<const float> row) {
    CHECK(position >= begin && position < begin + rows) << "logits of position " << position;
    std::copy(row.begin(), row.end(), logits.begin() + static_cast<std::ptrdiff_t>((position - begin) * vocabulary));
    ++seen;
  });
  StepEntry entry;
  entry.sequence = sequence;
  entry.position = begin;
  const std::span<const TokenId> run = window.subspan(begin, rows);
  entry.tokens.assign(run.begin(), run.end());
  entry.score = true;
  entry.next_token = window[begin + rows];
  const Result<EntryOutcome> done = steps_.step(std::move(entry));
  steps_.node().observe_logits(nullptr);
  if (!done) return done.error();
  CHECK(seen == rows) << seen << " of " << rows << " rows of logits";
  return {};
}

void TeacherForcing::compare_rows(std::span<const TokenId> window, std::uint32_t begin, std::uint32_t rows) {
  const std::size_t vocabulary = steps_.node().config().vocabulary;
  pool_.for_each(rows, 1, [&](std::size_t first, std::size_t last, unsigned) {
    for (std::size_t r = first; r < last; ++r)
      distances_[r] =
          compare(std::span<const float>(dense_logits_).subspan(r * vocabulary, vocabulary),
                  std::span<const float>(preset_logits_).subspan(r * vocabulary, vocabulary), window[begin + r + 1]);
  });
}

}  // namespace longshore::cli::eval
