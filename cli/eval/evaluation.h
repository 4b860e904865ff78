#pragma once

#include <cstdint>
#include <vector>

#include "cli/eval/answering.h"
#include "cli/eval/evaluated_preset.h"
#include "cli/eval/journal.h"
#include "cli/eval/sample_source.h"
#include "cli/eval/teacher_forcing.h"
#include "runtime/base/clock.h"
#include "runtime/base/result.h"

namespace longshore::cli::eval {

// How many samples of a task are run.
struct TaskSamples {
  Task task = Task::kText;
  std::uint32_t count = 0;
};

// What runs the samples of an evaluation, one after the other, a sample of each task in turn, so that what is there after an
// interruption is of all tasks.
struct Evaluation {
  const SampleSource& source;
  TeacherForcing& text;
  Answering& answers;
  Journal* journal = nullptr;  // where finished samples are kept; null: nowhere
  const Clock& clock;

  // Those that the journal has are not run again. Errors: the node's, the samples', the journal's.
  Result<SampleResults> run(const std::vector<TaskSamples>& tasks);

 private:
  Result<SampleResult> run_sample(Task task, std::uint32_t index);
};

}  // namespace longshore::cli::eval
