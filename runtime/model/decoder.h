#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kernels/kernel_table.h"
#include "runtime/model/activations.h"
#include "runtime/model/model_config.h"
#include "runtime/model/rope_table.h"
#include "runtime/model/weights.h"

namespace longshore::model {

// One decoder-only transformer without its attention: that is a seam between `queries` and `after_attention` which the
// caller fills, here or on other nodes. A step calls
//
//   begin; per layer: (queries, keys_values) or queries_keys_values, the caller's attention, after_attention; logits
//
// Each row's result is independent of the other rows and of their number. Work is spread over the pool.
// Thread: one step at a time per Activations; the decoder itself is immutable.
// Source: Touvron et al. 2023 (Llama), Yang et al. 2024 (Qwen2), Gemma Team 2025 (Gemma 3).
class Decoder {
 public:
  // Errors: those of load_weights.
  static Result<std::unique_ptr<Decoder>> load(const GgufFile& file, const ModelConfig& config,
                                               const kernels::KernelTable& kernels, ThreadPool& pool,
                                               const LoadProgress& progress = {}, const StoredWeights& stored = {});

  const ModelConfig& config() const { return config_; }
  const kernels::KernelTable& kernels() const { return kernels_; }
  ThreadPool& pool() const { return pool_; }
  const Weights& weights() const { return weights_; }

  // Embeds the tokens [M] and makes the RoPE tables of their positions [M]. Requires: tokens inside the vocabulary.
  void begin(std::span<const TokenId> tokens, std::span<const std::uint32_t> positions, Activations& a) const;

  // Norm and projections of one layer. Separately, so that queries are on their way before keys and values are made;
  // fused where nobody waits. The bits are the same.
  void queries(std::uint32_t layer, Activations& a) const;
  void keys_values(std::uint32_t layer, Activations& a) const;
  void queries_keys_values(std::uint32_t layer, Activations& a) const;

  // From a.attended: output projection, residual sum, feed-forward, residual sum.
  void after_attention(std::uint32_t layer, Activations& a) const;

  // Final norm and logits of the chosen rows. out [rows.size(), V].
  void logits(std::span<const std::uint32_t> rows, Activations& a, float* out) const;

 private:
  Decoder(const ModelConfig& config, const kernels::KernelTable& kernels, ThreadPool& pool, Weights weights);

  void norm_and_quantize(const Vector& weight, const std::vector<float>& in, Activations& a) const;
  void finish_queries(std::uint32_t layer, Activations& a) const;
  void finish_keys_values(std::uint32_t layer, Activations& a) const;
  void finish_heads(std::uint32_t layer, std::vector<float>& heads, std::uint32_t count, const Vector& bias,
                    const Vector& norm, const Activations& a) const;
  void add_residual(const Vector& post_norm, Activations& a) const;
  void feed_forward(const LayerWeights& weights, Activations& a) const;

  ModelConfig config_;
  const kernels::KernelTable& kernels_;
  ThreadPool& pool_;
  Weights weights_;
  RopeTable rope_;
  RopeTable rope_local_;
};

}  // namespace longshore::model
