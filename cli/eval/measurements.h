#pragma once

#include <vector>

#include "cli/eval/preset_report.h"
#include "cli/measurement.h"

namespace longshore::cli::eval {

// The figures for --json (docs/benchmarks.md): eval_kl, eval_top1, eval_perplexity, eval_accuracy,
// eval_accuracy_at_depth, eval_score, eval_positions_read and eval_safe. The limit is what the dense run reached on the
// same samples.
std::vector<Measurement> to_measurements(const EvaluationReport& report);

}  // namespace longshore::cli::eval
