#include "runtime/model/model_tensors.h"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_set>

#include "runtime/model/gguf_parser.h"

namespace longshore::model {
namespace {

// Asks for tensors one by one and remembers their names; the first error stands.
class TensorCheck {
 public:
  explicit TensorCheck(const GgufFile& file) : file_(file) {}

  void require(const std::string& name, std::initializer_list<std::uint64_t> extents) {
    known_.insert(name);
    const GgufTensor* const tensor = file_.find_tensor(name);
    if (error_) return;
    if (tensor == nullptr) {
      error_ = make_error(ErrorCode::kInvalidArgument, file_.name(), ": has no tensor ", name);
      return;
    }
    GgufTensor wanted;
    wanted.rank = static_cast<unsigned>(extents.size());
    std::copy(extents.begin(), extents.end(), wanted.extents.begin());
    if (tensor->extents != wanted.extents)
      error_ = make_error(ErrorCode::kInvalidArgument, file_.name(), ": tensor ", name, " has shape ",
                          shape_to_string(*tensor), "; the metadata asks for ", shape_to_string(wanted));
  }


  Result<void> finish() const {
    if (error_) return *error_;
    for (const GgufTensor& tensor : file_.tensors())
      if (!known_.contains(std::string(tensor.name)))
        return make_error(ErrorCode::kInvalidArgument, file_.name(), ": tensor ", printable(tensor.name),
                          " is not known to this runtime, and might change the results");
    return {};
  }

 private:
  const GgufFile& file_;
  std::unordered_set<std::string> known_;
  std::optional<Error> error_;
};

void require_layer(TensorCheck& check, const ModelConfig& c, std::uint32_t layer) {
  const std::string block = "blk." + std::to_string(layer) + ".";
  const std::uint64_t E = c.embedding, F = c.feed_forward, d = c.head_dim;
  const std::uint64_t query = c.query_heads * d, kv = c.kv_heads * d;
  check.require(block + "attn_norm.weight", {E});
  check.require(block + "attn_q.weight", {E, query});
  check.require(block + "attn_k.weight", {E, kv});
  check.require(block + "attn_v.weight", {E, kv});
  check.require(block + "attn_output.weight", {query, E});
  check.require(block + "ffn_norm.weight", {E});
  check.require(block + "ffn_gate.weight", {E, F});
  check.require(block + "ffn_up.weight", {E, F});
  check.require(block + "ffn_down.weight", {F, E});
  if (c.qkv_bias) {
    check.require(block + "attn_q.bias", {query});
    check.require(block + "attn_k.bias", {kv});
    check.require(block + "attn_v.bias", {kv});
  }
  if (c.query_key_norm) {
    check.require(block + "attn_q_norm.weight", {d});
    check.require(block + "attn_k_norm.weight", {d});
  }
  if (c.post_norms) {
    check.require(block + "post_attention_norm.weight", {E});
    check.require(block + "post_ffw_norm.weight", {E});
  }
}

}  // namespace

Result<void> check_tensors(const GgufFile& file, const ModelConfig& config) {
  TensorCheck check(file);
  check.require("token_embd.weight", {config.embedding, config.vocabulary});
  check.require("output_norm.weight", {config.embedding});
  if (!config.tied_embeddings) check.require("output.weight", {config.embedding, config.vocabulary});
  if (!config.rope.frequency_factors.empty()) check.require("rope_freqs.weight", {config.rotated / 2});
  for (std::uint32_t layer = 0; layer < config.layers; ++layer) require_layer(check, config, layer);
  return check.finish();
}

}  // namespace longshore::model
