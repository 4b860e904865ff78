#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace longshore::cli::eval {

// What a preset is asked to do beside the dense run.
enum class Task : std::uint8_t {
  kText,       // continue a text, token by token, with the true tokens given (teacher forcing)
  kPasskey,    // say the number that stands once among trivial sentences
  kNeedle,     // the same in varied prose
  kKv,         // say the value of one key of a JSON object
  kInduction,  // repeat the six tokens that followed a token before: for models without a language
};

std::string_view to_string(Task task);
// Errors: kInvalidArgument naming --task, the word and what it may be; a task named twice.
Result<std::vector<Task>> parse_tasks(const std::vector<std::string>& words);
// Whether a sample is right or wrong; else it is compared row by row.
inline bool has_answers(Task task) { return task != Task::kText; }

// Where the answer of sample `index` stands: 0, 0.1, .. 1 of the haystack, in turn.
inline constexpr std::uint32_t kDepths = 11;
inline double depth_of(std::uint32_t index) { return (index % kDepths) / static_cast<double>(kDepths - 1); }

// The stream of random numbers of one sample, so that it is the same however many samples there are.
constexpr std::uint64_t random_stream(Task task, std::uint32_t index) {
  return (static_cast<std::uint64_t>(task) + 1) << 32 | index;
}

}  // namespace longshore::cli::eval
