#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kernels/packed_matrix.h"
#include "runtime/model/gguf.h"
#include "runtime/model/model_config.h"
#include "runtime/model/weight_cache.h"

namespace longshore::model {

using Vector = std::vector<float>;  // norm weights and biases; empty where the architecture has none

// Parameters of one decoder layer, in the layouts that the kernels read. Matrices are [outputs, inputs].
struct LayerWeights {
  Vector attention_norm;                          // [E]
  kernels::PackedMatrix query, key, value;        // [Hq d, E], [Hkv d, E], [Hkv d, E]
  Vector query_bias, key_bias, value_bias;        // [Hq d], [Hkv d], [Hkv d]
  Vector query_norm, key_norm;                    // [d], per head
  kernels::PackedMatrix attention_output;         // [E, Hq d]
  Vector post_attention_norm;                     // [E]
  Vector feed_forward_norm;                       // [E]
  kernels::PackedMatrix gate, up;                 // [F, E]
  kernels::PackedMatrix down;                     // [E, F]
  Vector post_feed_forward_norm;                  // [E]
};

// All parameters of one model, converted exactly from the file and independent of it afterwards. Immutable.
struct Weights {
  kernels::PackedMatrix embedding;              // [V, E]
  std::optional<kernels::PackedMatrix> output;  // [V, E]; absent when tied to the embedding
  Vector output_norm;                           // [E]
  std::vector<LayerWeights> layers;             // [L]

  const kernels::PackedMatrix& output_matrix() const { return output ? *output : embedding; }
  // Those of a layer that every row is multiplied with.
  static std::array<const kernels::PackedMatrix*, 7> matrices(const LayerWeights& layer) {
    return {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.gate, &layer.up, &layer.down};
  }
};

// Where matrices may lie as the kernels read them, and where those go that did not. Either may be null.
struct StoredWeights {
  const WeightCache* cache = nullptr;
  WeightCacheWriter* writer = nullptr;
};

using LoadProgress = std::function<void(std::uint64_t bytes_done, std::uint64_t bytes_total)>;

// Errors: kInvalidArgument naming the tensor whose values cannot be used; kResourceExhausted when memory ends; those of
// the cache, if there is one.
Result<Weights> load_weights(const GgufFile& file, const ModelConfig& config, ThreadPool& pool,
                             const LoadProgress& progress, const StoredWeights& stored = {});

}  // namespace longshore::model
