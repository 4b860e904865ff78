#pragma once

#include <string>

#include "cli/eval/preset_report.h"

namespace longshore::cli::eval {

// The report for a terminal: what was run, a line for each preset and task, and a line with each preset's verdict.
std::string to_table(const EvaluationReport& report);

// What was evaluated, in one line.
std::string title_of(const EvaluationReport& report);

// The figures of one task in words, as the lines of the table and the page have them.
std::string figures_text(const TaskFigures& task);

}  // namespace longshore::cli::eval
