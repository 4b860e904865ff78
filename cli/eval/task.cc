#include "cli/eval/task.h"

#include <algorithm>

namespace longshore::cli::eval {
namespace {

constexpr Task kAll[] = {Task::kText, Task::kPasskey, Task::kNeedle, Task::kKv, Task::kInduction};

}  // namespace

std::string_view to_string(Task task) {
  switch (task) {
    case Task::kText: return "text";
    case Task::kPasskey: return "passkey";
    case Task::kNeedle: return "needle";
    case Task::kKv: return "kv";
    case Task::kInduction: return "induction";
  }
  return "?";
}

Result<std::vector<Task>> parse_tasks(const std::vector<std::string>& words) {
  std::vector<Task> tasks;
  for (const std::string& word : words) {
    const auto* found = std::find_if(std::begin(kAll), std::end(kAll), [&](Task task) { return to_string(task) == word; });
    if (found == std::end(kAll))
      return make_error(ErrorCode::kInvalidArgument, "--task is '", word,
                        "'; it may be text, passkey, needle, kv or induction");
    if (std::find(tasks.begin(), tasks.end(), *found) != tasks.end())
      return make_error(ErrorCode::kInvalidArgument, "--task names ", word, " twice");
    tasks.push_back(*found);
  }
  if (tasks.empty()) return make_error(ErrorCode::kInvalidArgument, "--task names no task");
  return tasks;
}

}  // namespace longshore::cli::eval
