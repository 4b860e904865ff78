#include "runtime/model/weights.h"

#include <cmath>
#include <cstring>
#include <string>

namespace longshore::model {
namespace {

// Reads tensors in turn; after the first error the rest are skipped and the error stands.
class Loader {
 public:
  Loader(const GgufFile& file, ThreadPool& pool, const LoadProgress& progress, const StoredWeights& stored)
      : file_(file), pool_(pool), progress_(progress), stored_(stored) {
    for (const GgufTensor& tensor : file.tensors()) bytes_total_ += tensor.bytes.size();
  }

  kernels::PackedMatrix matrix(const std::string& name) {
    kernels::PackedMatrix matrix;
    const GgufTensor* tensor = find(name);
    if (tensor == nullptr) return matrix;
    auto packed = stored_.cache != nullptr
                      ? stored_.cache->matrix(name, tensor->format, tensor->rows(), tensor->row_elements(), pool_)
                      : kernels::PackedMatrix::pack(tensor->format, tensor->rows(), tensor->row_elements(), tensor->bytes, pool_);
    if (!packed) {
      fail(name, packed.error());
      return matrix;
    }
    if (stored_.writer != nullptr) stored_.writer->add(name, *packed);
    count(*tensor);
    return std::move(*packed);
  }

  Vector vector(const std::string& name) {
    const GgufTensor* tensor = find(name);
    if (tensor == nullptr) return {};
    Vector values(tensor->elements());
    if (tensor->format != kernels::WeightFormat::kF32) {
      fail(name, make_error(ErrorCode::kInvalidArgument, "a norm or bias is stored as f32, not ",
                            kernels::to_string(tensor->format)));
      return {};
    }
    std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!std::isfinite(values[i])) {
        fail(name, make_error(ErrorCode::kInvalidArgument, "value ", i, " is ", values[i]));
        return {};
      }
    count(*tensor);
    return values;
  }

  const std::optional<Error>& error() const { return error_; }

 private:
  const GgufTensor* find(const std::string& name) {
    if (error_) return nullptr;
    const auto tensor = file_.tensor(name);
    if (!tensor) {
      error_ = tensor.error();
      return nullptr;
    }
    return *tensor;
  }

  void fail(const std::string& tensor, const Error& error) {
    error_ = make_error(error.code, file_.name(), ": tensor ", tensor, ": ", error.message);
  }

  void count(const GgufTensor& tensor) {
    bytes_done_ += tensor.bytes.size();
    if (progress_) progress_(bytes_done_, bytes_total_);
  }

  const GgufFile& file_;
  ThreadPool& pool_;
  const LoadProgress& progress_;
  const StoredWeights stored_;
  std::uint64_t bytes_done_ = 0;
  std::uint64_t bytes_total_ = 0;
  std::optional<Error> error_;
};

LayerWeights load_layer(Loader& loader, const ModelConfig& config, std::uint32_t layer) {
  const std::string prefix = "blk." + std::to_string(layer) + ".";
  LayerWeights weights;
  weights.attention_norm = loader.vector(prefix + "attn_norm.weight");
  weights.query = loader.matrix(prefix + "attn_q.weight");
  weights.key = loader.matrix(prefix + "attn_k.weight");
  weights.value = loader.matrix(prefix + "attn_v.weight");
  if (config.qkv_bias) {
    weights.query_bias = loader.vector(prefix + "attn_q.bias");
    weights.key_bias = loader.vector(prefix + "attn_k.bias");
    weights.value_bias = loader.vector(prefix + "attn_v.bias");
  }
  if (config.query_key_norm) {
    weights.query_norm = loader.vector(prefix + "attn_q_norm.weight");
    weights.key_norm = loader.vector(prefix + "attn_k_norm.weight");
  }
  weights.attention_output = loader.matrix(prefix + "attn_output.weight");
  weights.feed_forward_norm = loader.vector(prefix + "ffn_norm.weight");
  weights.gate = loader.matrix(prefix + "ffn_gate.weight");
  weights.up = loader.matrix(prefix + "ffn_up.weight");
  weights.down = loader.matrix(prefix + "ffn_down.weight");
  if (config.post_norms) {
    weights.post_attention_norm = loader.vector(prefix + "post_attention_norm.weight");
    weights.post_feed_forward_norm = loader.vector(prefix + "post_ffw_norm.weight");
  }
  return weights;
}

}  // namespace

Result<Weights> load_weights(const GgufFile& file, const ModelConfig& config, ThreadPool& pool,
                             const LoadProgress& progress, const StoredWeights& stored) {
  Loader loader(file, pool, progress, stored);
  Weights weights;
  weights.embedding = loader.matrix("token_embd.weight");
  weights.output_norm = loader.vector("output_norm.weight");
  if (!config.tied_embeddings) weights.output = loader.matrix("output.weight");
  for (std::uint32_t layer = 0; layer < config.layers && !loader.error(); ++layer)
    weights.layers.push_back(load_layer(loader, config, layer));
  if (loader.error()) return *loader.error();
  return weights;
}

}  // namespace longshore::model
