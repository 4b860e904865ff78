#include "runtime/model/stage_clock.h"

#include <numeric>

namespace longshore::model {

std::string_view to_string(Stage stage) {
  switch (stage) {
    case Stage::kEmbed: return "embed";
    case Stage::kNorm: return "norm";
    case Stage::kProject: return "project";
    case Stage::kRotate: return "rotate";
    case Stage::kSend: return "send";
    case Stage::kAppend: return "append";
    case Stage::kAttend: return "attend";
    case Stage::kWait: return "wait";
    case Stage::kMerge: return "merge";
    case Stage::kOutput: return "output";
    case Stage::kGateUp: return "gate_up";
    case Stage::kActivate: return "activate";
    case Stage::kDown: return "down";
    case Stage::kResidual: return "residual";
    case Stage::kLogits: return "logits";
    case Stage::kSample: return "sample";
    case Stage::kControl: return "control";
  }
  return "?";
}

void StageSeconds::add(const StageSeconds& other) {
  for (std::size_t i = 0; i < kStages; ++i) seconds_[i] += other.seconds_[i];
}

double StageSeconds::sum() const { return std::accumulate(seconds_.begin(), seconds_.end(), 0.0); }

}  // namespace longshore::model
