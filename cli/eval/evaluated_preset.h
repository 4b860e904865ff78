#pragma once

#include <string>

#include "runtime/plan/head_plan.h"

namespace longshore::cli::eval {

// A preset as it was asked for, and what it comes to.
struct EvaluatedPreset {
  std::string name;  // "window:sinks=4,window=256"
  HeadPlan heads;
};

}  // namespace longshore::cli::eval
