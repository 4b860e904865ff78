#pragma once

#include <cstdint>

#include "cli/eval/prompt.h"
#include "cli/eval/prompt_encoder.h"
#include "cli/eval/task.h"
#include "runtime/base/result.h"

namespace longshore::cli::eval {

// Sample `index` of passkey, needle or kv: a pure function of its arguments. The forms follow the literature, the words are
// our own:
//   kPasskey  five digits among a few trivial sentences that repeat (Mohtashami & Jaggi 2023, "Landmark Attention")
//   kNeedle   seven digits in prose (Kamradt 2023, "Needle in a Haystack"; Hsieh et al. 2024, RULER)
//   kKv       a JSON object of keys of eight hexadecimal digits and values of eight digits (Liu et al. 2023, "Lost in the
//             Middle")
// Requires: one of these tasks. Errors: those of fill.
Result<Prompt> retrieval_prompt(Task task, std::uint64_t seed, std::uint32_t index, std::uint32_t context,
                                const PromptEncoder& encoder);

}  // namespace longshore::cli::eval
