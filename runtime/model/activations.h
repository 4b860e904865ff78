#pragma once

#include <cstddef>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/kernels/quantized_rows.h"
#include "runtime/model/model_config.h"
#include "runtime/model/stage_clock.h"

namespace longshore::model {

// The values of one step between operations, all f32, rows being the M tokens of the step. Allocated once for the
// largest step: a step allocates nothing. One thread (the decoder spreads rows over the pool itself).
struct Activations {
  // `clock`, of the stages, outlives it. Errors: kResourceExhausted when the system has not that much memory.
  static Result<Activations> create(const ModelConfig& config, std::size_t rows_max, const Clock& clock);
  explicit Activations(const Clock& clock) : stages(clock) {}

  std::size_t rows_max = 0;
  std::size_t rows = 0;                        // M of this step
  std::vector<float> residual;                 // [M, E]
  std::vector<float> normed;                   // [M, E]
  std::vector<float> queries;                  // [M, Hq, d], after RoPE, times the softmax scale
  std::vector<float> keys;                     // [M, Hkv, d], after RoPE
  std::vector<float> values;                   // [M, Hkv, d]
  std::vector<float> attended;                 // [M, Hq, d]: what attention gives back
  std::vector<float> gate, up;                 // [M, F]
  std::vector<float> projected;                // [M, E]
  std::vector<float> cosines, sines;           // [M, rotated / 2] for layers with full attention
  std::vector<float> cosines_local, sines_local;  // the same for layers with a window, where they differ
  kernels::QuantizedRows quantized;            // of whatever enters the next matrices
  StageClock stages;                           // where the step's time goes
};

}  // namespace longshore::model
