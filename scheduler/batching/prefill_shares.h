#pragma once

#include <cstdint>
#include <vector>

namespace longshore::batching {

// Splits `budget` rows of one step over sequences in prefill. rows_missing[i] >= 1 is what sequence i, oldest first,
// still has to run; the result gives each at most that, and together all of the budget that can be used.
//
// The oldest gets half (so it always advances and is done some day); the rest goes to the shortest first, ties to the
// older (so that a short prompt passes long ones, and few prompts are half done at a time); what they leave goes back
// to the oldest.
std::vector<std::uint32_t> prefill_shares(const std::vector<std::uint32_t>& rows_missing, std::uint32_t budget);

}  // namespace longshore::batching
