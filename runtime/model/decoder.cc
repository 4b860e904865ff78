#include "runtime/model/decoder.h"

#include <algorithm>

#include "runtime/base/check.h"
#include "runtime/kernels/matmul.h"

namespace longshore::model {
namespace {

// Values that a worker takes at once, as whole rows: below that one thread is done before another has woken.
constexpr std::size_t kGrainValues = 16 * 1024;
constexpr std::size_t kEmbedGrainRows = 4;            // each has its sines and cosines, in double
constexpr std::size_t kGrainActivations = 4 * 1024;   // of SiLU and GELU, which have an exp each

std::size_t row_grain(std::size_t width) { return std::max<std::size_t>(1, kGrainValues / width); }

}  // namespace

Result<std::unique_ptr<Decoder>> Decoder::load(const GgufFile& file, const ModelConfig& config,
                                               const kernels::KernelTable& kernels, ThreadPool& pool,
                                               const LoadProgress& progress, const StoredWeights& stored) {
  Result<Weights> weights = load_weights(file, config, pool, progress, stored);
  if (!weights) return weights.error();
  return std::unique_ptr<Decoder>(new Decoder(config, kernels, pool, std::move(*weights)));
}

Decoder::Decoder(const ModelConfig& config, const kernels::KernelTable& kernels, ThreadPool& pool, Weights weights)
    : config_(config),
      kernels_(kernels),
      pool_(pool),
      weights_(std::move(weights)),
      rope_(config.rope, config.rotated),
      rope_local_(config.rope_local, config.rotated) {}

void Decoder::begin(std::span<const TokenId> tokens, std::span<const std::uint32_t> positions, Activations& a) const {
  CHECK(tokens.size() == positions.size()) << tokens.size() << " tokens, " << positions.size() << " positions";
  CHECK(tokens.size() <= a.rows_max) << tokens.size() << " rows, at most " << a.rows_max;
  a.rows = tokens.size();
  const std::size_t width = config_.embedding;
  const std::size_t pairs = rope_.pairs();
  const bool two_ropes = !(config_.rope == config_.rope_local);
  pool_.for_each(a.rows, kEmbedGrainRows, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t r = begin; r < end; ++r) {
      float* row = a.residual.data() + r * width;
      weights_.embedding.dequantize_row(static_cast<std::size_t>(tokens[r]), row);
      if (config_.embedding_scale != 1.0f) kernels_.row.scale(row, config_.embedding_scale, row, width);
      rope_.fill(positions[r], a.cosines.data() + r * pairs, a.sines.data() + r * pairs);
      if (two_ropes)
        rope_local_.fill(positions[r], a.cosines_local.data() + r * pairs, a.sines_local.data() + r * pairs);
    }
  });
  a.stages.lap(Stage::kEmbed);
}

void Decoder::norm_and_quantize(const Vector& weight, const std::vector<float>& in, Activations& a) const {
  const std::size_t width = config_.embedding;
  pool_.for_each(a.rows, row_grain(width), [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t r = begin; r < end; ++r)
      kernels_.row.rms_norm(in.data() + r * width, weight.data(), a.normed.data() + r * width, width,
                            config_.rms_epsilon);
  });
  a.quantized.assign(kernels_.matrix, pool_, a.normed.data(), a.rows, width, width);
  a.stages.lap(Stage::kNorm);
}

void Decoder::queries(std::uint32_t layer, Activations& a) const {
  const LayerWeights& weights = weights_.layers[layer];
  norm_and_quantize(weights.attention_norm, a.residual, a);
  const kernels::MatmulTarget target{&weights.query, a.queries.data(), weights.query.outputs()};
  kernels::matmul_all(kernels_.matrix, pool_, {&target, 1}, a.quantized);
  a.stages.lap(Stage::kProject);
  finish_queries(layer, a);
  a.stages.lap(Stage::kRotate);
}

void Decoder::keys_values(std::uint32_t layer, Activations& a) const {
  const LayerWeights& weights = weights_.layers[layer];
  const kernels::MatmulTarget targets[] = {{&weights.key, a.keys.data(), weights.key.outputs()},
                                           {&weights.value, a.values.data(), weights.value.outputs()}};
  kernels::matmul_all(kernels_.matrix, pool_, targets, a.quantized);
  a.stages.lap(Stage::kProject);
  finish_keys_values(layer, a);
  a.stages.lap(Stage::kRotate);
}

void Decoder::queries_keys_values(std::uint32_t layer, Activations& a) const {
  const LayerWeights& weights = weights_.layers[layer];
  norm_and_quantize(weights.attention_norm, a.residual, a);
  const kernels::MatmulTarget targets[] = {{&weights.query, a.queries.data(), weights.query.outputs()},
                                           {&weights.key, a.keys.data(), weights.key.outputs()},
                                           {&weights.value, a.values.data(), weights.value.outputs()}};
  kernels::matmul_all(kernels_.matrix, pool_, targets, a.quantized);
  a.stages.lap(Stage::kProject);
  finish_queries(layer, a);
  finish_keys_values(layer, a);
  a.stages.lap(Stage::kRotate);
}

void Decoder::finish_queries(std::uint32_t layer, Activations& a) const {
  const LayerWeights& weights = weights_.layers[layer];
  finish_heads(layer, a.queries, config_.query_heads, weights.query_bias, weights.query_norm, a);
  const std::size_t width = std::size_t{config_.query_heads} * config_.head_dim;
  pool_.for_each(a.rows, row_grain(width), [&](std::size_t begin, std::size_t end, unsigned) {
    float* rows = a.queries.data() + begin * width;
    kernels_.row.scale(rows, config_.query_scale, rows, (end - begin) * width);
  });
}

void Decoder::finish_keys_values(std::uint32_t layer, Activations& a) const {
  const LayerWeights& weights = weights_.layers[layer];
  finish_heads(layer, a.keys, config_.kv_heads, weights.key_bias, weights.key_norm, a);
  if (weights.value_bias.empty()) return;
  const std::size_t width = weights.value_bias.size();
  for (std::size_t r = 0; r < a.rows; ++r) {
    float* row = a.values.data() + r * width;
    kernels_.row.add(row, weights.value_bias.data(), row, width);
  }
}

// Bias, norm per head and RoPE of `count` heads a row.
void Decoder::finish_heads(std::uint32_t layer, std::vector<float>& heads, std::uint32_t count, const Vector& bias,
                           const Vector& norm, const Activations& a) const {
  const std::size_t d = config_.head_dim;
  const std::size_t pairs = rope_.pairs();
  const bool local = config_.windowed(layer) && !(config_.rope == config_.rope_local);
  const float* cosines = local ? a.cosines_local.data() : a.cosines.data();
  const float* sines = local ? a.sines_local.data() : a.sines.data();
  const auto rotate = config_.rope_kind == RopeKind::kNorm ? kernels_.row.rope_norm : kernels_.row.rope_neox;
  pool_.for_each(a.rows, row_grain(count * d), [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t r = begin; r < end; ++r) {
      float* row = heads.data() + r * count * d;
      if (!bias.empty()) kernels_.row.add(row, bias.data(), row, count * d);
      for (std::size_t h = 0; h < count; ++h) {
        float* head = row + h * d;
        if (!norm.empty()) kernels_.row.rms_norm(head, norm.data(), head, d, config_.rms_epsilon);
        rotate(head, cosines + r * pairs, sines + r * pairs, config_.rotated);
      }
    }
  });
}

void Decoder::after_attention(std::uint32_t layer, Activations& a) const {
  const LayerWeights& weights = weights_.layers[layer];
  a.quantized.assign(kernels_.matrix, pool_, a.attended.data(), a.rows, weights.attention_output.inputs(), weights.attention_output.inputs());
  a.stages.lap(Stage::kNorm);
  const kernels::MatmulTarget target{&weights.attention_output, a.projected.data(), config_.embedding};
  kernels::matmul_all(kernels_.matrix, pool_, {&target, 1}, a.quantized);
  a.stages.lap(Stage::kOutput);
  add_residual(weights.post_attention_norm, a);
  feed_forward(weights, a);
  add_residual(weights.post_feed_forward_norm, a);
}

void Decoder::feed_forward(const LayerWeights& weights, Activations& a) const {
  norm_and_quantize(weights.feed_forward_norm, a.residual, a);
  const std::size_t width = config_.feed_forward;
  const kernels::MatmulTarget targets[] = {{&weights.gate, a.gate.data(), width}, {&weights.up, a.up.data(), width}};
  kernels::matmul_all(kernels_.matrix, pool_, targets, a.quantized);
  a.stages.lap(Stage::kGateUp);
  const auto activate =
      config_.activation == Activation::kSilu ? kernels_.row.silu_mul : kernels_.row.gelu_tanh_mul;
  const std::size_t grain = std::max<std::size_t>(1, kGrainActivations / width);
  pool_.for_each(a.rows, grain, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t r = begin; r < end; ++r)
      activate(a.gate.data() + r * width, a.up.data() + r * width, a.gate.data() + r * width, width);
  });
  a.stages.lap(Stage::kActivate);
  a.quantized.assign(kernels_.matrix, pool_, a.gate.data(), a.rows, width, width);
  a.stages.lap(Stage::kNorm);
  const kernels::MatmulTarget target{&weights.down, a.projected.data(), config_.embedding};
  kernels::matmul_all(kernels_.matrix, pool_, {&target, 1}, a.quantized);
  a.stages.lap(Stage::kDown);
}

// residual += projected, which a post norm (Gemma 3) normalises first.
void Decoder::add_residual(const Vector& post_norm, Activations& a) const {
  const std::size_t width = config_.embedding;
  pool_.for_each(a.rows, row_grain(width), [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t r = begin; r < end; ++r) {
      float* projected = a.projected.data() + r * width;
      float* residual = a.residual.data() + r * width;
      if (!post_norm.empty())
        kernels_.row.rms_norm(projected, post_norm.data(), projected, width, config_.rms_epsilon);
      kernels_.row.add(residual, projected, residual, width);
    }
  });
  a.stages.lap(Stage::kResidual);
}

void Decoder::logits(std::span<const std::uint32_t> rows, Activations& a, float* out) const {
  if (rows.empty()) return;
  const std::size_t width = config_.embedding;
  for (std::size_t r = 0; r < rows.size(); ++r)
    kernels_.row.rms_norm(a.residual.data() + rows[r] * width, weights_.output_norm.data(),
                          a.normed.data() + r * width, width, config_.rms_epsilon);
  a.quantized.assign(kernels_.matrix, pool_, a.normed.data(), rows.size(), width, width);
  const kernels::MatmulTarget target{&weights_.output_matrix(), out, config_.vocabulary};
  kernels::matmul_all(kernels_.matrix, pool_, {&target, 1}, a.quantized);
  if (config_.final_logit_softcap != 0.0f)
    pool_.for_each(rows.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
      float* first = out + begin * config_.vocabulary;
      kernels_.row.softcap(first, config_.final_logit_softcap, first, (end - begin) * config_.vocabulary);
    });
  a.stages.lap(Stage::kLogits);
}

}  // namespace longshore::model
