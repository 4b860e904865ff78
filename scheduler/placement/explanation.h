#pragma once

#include <string>
#include <vector>

#include "runtime/plan/node_descriptor.h"
#include "scheduler/placement/planner.h"

namespace longshore::placement {

// A plan with all that explains it, of a made-up cluster or of one that runs: what `longshore explain` prints.
struct Explanation {
  std::string model;                  // name of the model
  std::string kv_type;                // "f16", ...
  Workload workload;                  // that the plan was made for
  std::vector<NodeDescriptor> nodes;  // as measured; addresses are not looked at
  PlanReport report;
};

// For people: the workload, what was measured of each node, then the report (planner.h).
std::string render(const Explanation& explanation);

}  // namespace longshore::placement
