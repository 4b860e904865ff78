#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/plan/step_batch.h"

namespace longshore::compute {

// Rows of one entry that lie in one leaf: the unit in which attention is asked and computed.
struct RowGroup {
  std::uint32_t entry = 0;     // index into StepBatch::entries
  std::uint32_t row = 0;       // of the step, of the first token
  std::uint32_t position = 0;  // of the first token
  std::uint32_t tokens = 0;    // 1 to 128, all in leaf position / 128
};

// A row whose logits are wanted: to draw the next token, or to score the token that follows.
struct LogitRow {
  std::uint32_t entry = 0;
  std::uint32_t row = 0;
  bool sample = false;
  TokenId scored = -1;  // the known token after the row; -1: none
};

// The entries of a step as one run of rows: row r holds one token of one sequence. Which rows share a step changes no
// bit of any of them (docs/determinism.md).
struct StepRows {
  std::vector<TokenId> tokens;           // [M]
  std::vector<std::uint32_t> positions;  // [M]
  std::vector<RowGroup> groups;
  std::vector<LogitRow> logit_rows;      // ascending by row
};

// Entries whose index is in `skipped` (they have failed already) get no rows. Rows at alone_from[entry] and later get a group
// each: every one of them chooses what it reads.
StepRows flatten(const StepBatch& batch, const std::vector<bool>& skipped, std::span<const std::uint32_t> alone_from);

}  // namespace longshore::compute
