#include "cli/roofline.h"

#include <algorithm>

#include "runtime/plan/leaf.h"
#include "runtime/retrieval/block_means.h"

namespace longshore::cli {

void StepWork::add(const StepWork& other) {
  weight_bytes += other.weight_bytes;
  int8_operations += other.int8_operations;
  kv_bytes += other.kv_bytes;
  f32_operations += other.f32_operations;
}

StepWork step_work(const model::ModelConfig& config, const model::Weights& weights, const kv::KvLayout& layout,
                   const HeadPlan& heads, std::uint32_t sequences, std::uint32_t position, std::uint32_t tokens,
                   bool logits) {
  StepWork work;
  const auto multiply = [&](const kernels::PackedMatrix& matrix, std::uint32_t rows) {
    work.weight_bytes += static_cast<double>(matrix.bytes());
    work.int8_operations += 2.0 * static_cast<double>(matrix.outputs()) * static_cast<double>(matrix.inputs()) * rows;
  };
  for (const model::LayerWeights& layer : weights.layers)
    for (const kernels::PackedMatrix* matrix : model::Weights::matrices(layer)) multiply(*matrix, sequences * tokens);
  if (logits) multiply(weights.output_matrix(), sequences);

  // Of one KV head: a position's bytes, and the operations of a row and a key.
  const double kv_bytes = static_cast<double>(layout.block_bytes()) / kLeafTokens;
  const double operations = 4.0 * config.group() * config.head_dim;
  constexpr double kMeanBytes = retrieval::kMeanLanes * sizeof(std::uint16_t);  // of a leaf and a dimension, to choose by
  for (std::uint32_t layer = 0; layer < config.layers; ++layer)
    for (std::uint32_t head = 0; head < config.kv_heads; ++head) {
      const HeadRule rule = config.head_rule(heads, layer, head);
      const bool selects = rule.sees_all() && tokens == 1 && heads.selection.selects();
      double most = rule.sees_all() ? position + tokens : rule.sinks + double{1} * rule.window;
      if (selects) {
        most = std::min<double>(most, heads.selection.budget);
        work.kv_bytes += sequences * kMeanBytes * config.head_dim * position / kLeafTokens;
      }
      for (std::uint32_t t = 0; t < tokens; ++t)
        work.f32_operations += sequences * operations * std::min<double>(most, position + t + 1);
      work.kv_bytes += sequences * kv_bytes * std::min<double>(position + tokens, most + tokens - 1);
    }
  return work;
}

double least_seconds(const StepWork& work, const probe::MachineLimits& limits) {
  return std::max(work.weight_bytes / limits.read_bytes_per_second, work.int8_operations / limits.int8_per_second) +
         std::max(work.kv_bytes / limits.read_bytes_per_second, work.f32_operations / limits.f32_per_second);
}

}  // namespace longshore::cli
