#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/base/clock.h"

namespace longshore::model {

// What a step's time goes into, in the order of a layer. The decoder's own stages, and those of its callers.
enum class Stage : std::uint8_t {
  kEmbed,        // embedding and RoPE tables
  kNorm,         // norms, and quantising what enters a matrix
  kProject,      // Q, K and V
  kRotate,       // biases, norms per head, RoPE
  kSend,         // queries to attention nodes
  kAppend,       // K and V into their blocks
  kAttend,       // over the leaves that are here
  kWait,         // for partials from attention nodes
  kMerge,        // of partials
  kOutput,       // output projection
  kGateUp,       // feed-forward, first half
  kActivate,     // and its activation
  kDown,         // feed-forward, second half
  kResidual,     // residual sums, with norms where the model has them there
  kLogits,       // the output matrix
  kSample,       // choosing tokens, logprobs
  kControl,      // starting and ending sequences, admitting runs, offering full leaves
};
inline constexpr std::size_t kStages = static_cast<std::size_t>(Stage::kControl) + 1;

// "embed", "gate_up", ...: a name of a line of `longshore bench --breakdown`.
std::string_view to_string(Stage stage);

// Seconds by stage.
class StageSeconds {
 public:
  double& operator[](Stage stage) { return seconds_[static_cast<std::size_t>(stage)]; }
  double operator[](Stage stage) const { return seconds_[static_cast<std::size_t>(stage)]; }
  void add(const StageSeconds& other);
  double sum() const;

 private:
  std::array<double, kStages> seconds_{};
};

// A stopwatch that is always running for someone: each lap gives a stage all that passed since the last one. A reading of
// the system's clock takes some 30 ns, a layer has a dozen. One thread.
class StageClock {
 public:
  // `clock` outlives it.
  explicit StageClock(const Clock& clock) : clock_(clock), last_(clock.now()) {}

  // A new step begins: all stages are at 0.
  void start() {
    seconds_ = {};
    last_ = clock_.now();
  }
  void lap(Stage stage) {
    const TimePoint now = clock_.now();
    seconds_[stage] += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }
  const StageSeconds& seconds() const { return seconds_; }

 private:
  const Clock& clock_;
  TimePoint last_;
  StageSeconds seconds_;
};

}  // namespace longshore::model
