#pragma once

#include <cmath>

#include "cli/eval/sample_result.h"
#include "runtime/base/random.h"

namespace longshore::cli::eval {

// A result of a text window with `presets` presets, with figures that no decimal notation of few digits holds.
inline SampleResult random_window(std::uint32_t index, std::size_t presets, Random& random) {
  SampleResult result;
  result.task = Task::kText;
  result.index = index;
  result.prompt_tokens = static_cast<std::uint32_t>(random.below(100000));
  for (std::size_t p = 0; p < presets; ++p) {
    RunResult run;
    run.positions = {1e6 * random.uniform(), 1e7 * random.uniform()};
    for (int r = 0; r < 3; ++r)
      run.rows.push_back({static_cast<std::uint32_t>(1 + random.below(64)), std::exp(-40 * random.uniform()),
                          static_cast<std::uint32_t>(random.below(64)), random.uniform(), random.uniform()});
    result.presets.push_back(run);
  }
  return result;
}

// Of a question, each run right with a probability of one half.
inline SampleResult random_answer(Task task, std::uint32_t index, std::size_t presets, Random& random) {
  SampleResult result;
  result.task = task;
  result.index = index;
  result.prompt_tokens = 1000;
  result.depth = depth_of(index);
  result.answer_position = static_cast<std::uint32_t>(random.below(1000));
  const auto run = [&] {
    RunResult of;
    of.grade.right = random.below(2) == 0;
    of.grade.score = of.grade.right ? 1 : random.uniform();
    of.positions = {random.uniform(), 1};
    of.answer = " 12345.\n\"\\ and more";
    return of;
  };
  result.dense = run();
  for (std::size_t p = 0; p < presets; ++p) result.presets.push_back(run());
  return result;
}

}  // namespace longshore::cli::eval
