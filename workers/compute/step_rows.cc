#include "workers/compute/step_rows.h"

#include <algorithm>

#include "runtime/plan/leaf.h"

namespace longshore::compute {
namespace {

void add_groups(const StepEntry& entry, std::uint32_t index, std::uint32_t row, std::uint32_t alone_from,
                std::vector<RowGroup>& groups) {
  const auto count = static_cast<std::uint32_t>(entry.tokens.size());
  for (std::uint32_t done = 0; done < count;) {
    const std::uint32_t position = entry.position + done;
    const std::uint32_t left_in_leaf = kLeafTokens - position % kLeafTokens;
    const std::uint32_t together = position < alone_from ? alone_from - position : 1;
    const std::uint32_t tokens = std::min({count - done, left_in_leaf, together});
    groups.push_back({index, row + done, position, tokens});
    done += tokens;
  }
}

void add_logit_rows(const StepEntry& entry, std::uint32_t index, std::uint32_t row, std::vector<LogitRow>& rows) {
  const auto count = static_cast<std::uint32_t>(entry.tokens.size());
  for (std::uint32_t t = 0; t < count; ++t) {
    const bool last = t + 1 == count;
    LogitRow wanted{index, row + t, last && entry.sample, -1};
    if (entry.score) wanted.scored = last ? entry.next_token : entry.tokens[t + 1];
    if (wanted.sample || wanted.scored >= 0) rows.push_back(wanted);
  }
}

}  // namespace

StepRows flatten(const StepBatch& batch, const std::vector<bool>& skipped, std::span<const std::uint32_t> alone_from) {
  StepRows rows;
  for (std::uint32_t e = 0; e < batch.entries.size(); ++e) {
    if (skipped[e]) continue;
    const StepEntry& entry = batch.entries[e];
    const auto row = static_cast<std::uint32_t>(rows.tokens.size());
    for (std::uint32_t t = 0; t < entry.tokens.size(); ++t) {
      rows.tokens.push_back(entry.tokens[t]);
      rows.positions.push_back(entry.position + t);
    }
    add_groups(entry, e, row, alone_from[e], rows.groups);
    add_logit_rows(entry, e, row, rows.logit_rows);
  }
  return rows;
}

}  // namespace longshore::compute
