#include "runtime/model/activations.h"

#include <algorithm>
#include <utility>

namespace longshore::model {

Result<Activations> Activations::create(const ModelConfig& config, std::size_t rows_max, const Clock& clock) {
  const std::size_t query_width = std::size_t{config.query_heads} * config.head_dim;
  const std::size_t kv_width = std::size_t{config.kv_heads} * config.head_dim;
  const std::size_t widest = std::max({std::size_t{config.embedding}, query_width, std::size_t{config.feed_forward}});
  Result<kernels::QuantizedRows> quantized = kernels::QuantizedRows::create(rows_max, widest);
  if (!quantized) return quantized.error();
  Activations a(clock);
  a.rows_max = rows_max;
  a.quantized = std::move(*quantized);
  for (std::vector<float>* buffer : {&a.residual, &a.normed, &a.projected}) buffer->resize(rows_max * config.embedding);
  for (std::vector<float>* buffer : {&a.queries, &a.attended}) buffer->resize(rows_max * query_width);
  for (std::vector<float>* buffer : {&a.keys, &a.values}) buffer->resize(rows_max * kv_width);
  for (std::vector<float>* buffer : {&a.gate, &a.up}) buffer->resize(rows_max * config.feed_forward);
  for (std::vector<float>* buffer : {&a.cosines, &a.sines, &a.cosines_local, &a.sines_local})
    buffer->resize(rows_max * (config.rotated / 2));
  return a;
}

}  // namespace longshore::model
