#include "cli/eval/evaluation.h"

#include <algorithm>
#include <string>
#include <utility>

#include "cli/eval/progress.h"

namespace longshore::cli::eval {

Result<SampleResults> Evaluation::run(const std::vector<TaskSamples>& tasks) {
  SampleResults results;
  std::uint32_t all = 0, longest = 0;
  for (const TaskSamples& task : tasks) {
    all += task.count;
    longest = std::max(longest, task.count);
    for (std::uint32_t index = 0; journal != nullptr && index < task.count; ++index)
      if (const auto found = journal->finished().find({task.task, index}); found != journal->finished().end())
        results.insert(*found);
  }
  Progress progress(clock, static_cast<std::uint32_t>(results.size()), all);
  for (std::uint32_t index = 0; index < longest; ++index)
    for (const TaskSamples& task : tasks) {
      if (index >= task.count || results.contains({task.task, index})) continue;
      Result<SampleResult> result = run_sample(task.task, index);
      if (!result) return result.error();
      if (journal != nullptr)
        if (Result<void> kept = journal->add(*result); !kept) return kept.error();
      results.emplace(std::pair(task.task, index), std::move(*result));
      progress.step(std::string(to_string(task.task)));
    }
  return results;
}

Result<SampleResult> Evaluation::run_sample(Task task, std::uint32_t index) {
  if (!has_answers(task)) {
    const Result<std::vector<TokenId>> window = source.window(index);
    if (!window) return window.error();
    return text.run(index, *window);
  }
  const Result<Prompt> prompt = source.prompt(task, index);
  if (!prompt) return prompt.error();
  return answers.run(task, index, *prompt);
}

}  // namespace longshore::cli::eval
