#pragma once

#include <string>

#include "cli/eval/preset_report.h"
#include "runtime/base/result.h"

namespace longshore::cli::eval {

// The report as one HTML page without anything from outside: verdicts, KL and accuracy over the share of positions read
// for all presets, right answers by depth, and all figures.
std::string to_page(const EvaluationReport& report);

// Errors: kNotFound where the file cannot be written.
Result<void> write_page(const std::string& path, const EvaluationReport& report);

}  // namespace longshore::cli::eval
