#include "runtime/model/model_config.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <utility>

#include "runtime/model/gguf_parser.h"
#include "runtime/model/hyperparameters.h"
#include "runtime/model/model_tensors.h"

namespace longshore::model {
namespace {

constexpr std::uint32_t kLayersMax = 1024;
constexpr std::uint32_t kEmbeddingMax = 1u << 17;
constexpr std::uint32_t kFeedForwardMax = 1u << 20;
constexpr std::uint32_t kHeadsMax = 1024;
constexpr std::uint32_t kHeadDimMax = 1024;
constexpr std::uint32_t kVocabularyMax = 1u << 24;
constexpr std::uint32_t kContextMax = 1u << 20;  // RopeTable's angles are exact to here

constexpr std::pair<std::string_view, Architecture> kArchitectures[] = {{"llama", Architecture::kLlama},
                                                                        {"qwen2", Architecture::kQwen2},
                                                                        {"qwen3", Architecture::kQwen3},
                                                                        {"gemma3", Architecture::kGemma3}};

Result<Architecture> read_architecture(const GgufFile& file) {
  const auto kind = file.get_or<std::string_view>("general.type", "model");
  if (!kind) return kind.error();
  if (*kind != "model")
    return make_error(ErrorCode::kInvalidArgument, file.name(), ": general.type is ", printable(*kind), ", not model");
  const auto parts = file.get_or<std::uint32_t>("split.count", 1);
  if (!parts) return parts.error();
  if (*parts > 1)
    return make_error(ErrorCode::kInvalidArgument, file.name(), ": is one of ", *parts,
                      " parts (split.count); join them into one file first");
  const auto name = file.get<std::string_view>("general.architecture");
  if (!name) return make_error(ErrorCode::kInvalidArgument, name.error().message);
  for (const auto& [known, architecture] : kArchitectures)
    if (*name == known) return architecture;
  return make_error(ErrorCode::kInvalidArgument, file.name(), ": general.architecture ", printable(*name),
                    " is not supported; llama, qwen2, qwen3 and gemma3 are");
}

void read_shape(Hyperparameters& keys, ModelConfig& c) {
  c.layers = keys.count("block_count", 1, kLayersMax);
  c.embedding = keys.count("embedding_length", 1, kEmbeddingMax);
  c.feed_forward = keys.count("feed_forward_length", 1, kFeedForwardMax);
  c.context_length = keys.count("context_length", 1, kContextMax);
  c.query_heads = keys.count("attention.head_count", 1, kHeadsMax);
  c.kv_heads = keys.count_or("attention.head_count_kv", c.query_heads, 1, kHeadsMax);
  if (c.query_heads % c.kv_heads != 0)
    keys.fail(keys.name("attention.head_count"), " is ", c.query_heads, ", not a multiple of attention.head_count_kv ",
              c.kv_heads);

  if (!keys.has("attention.key_length") && c.embedding % c.query_heads != 0)
    keys.fail(keys.name("embedding_length"), " is ", c.embedding, ", not a multiple of attention.head_count ",
              c.query_heads, ", and there is no attention.key_length");
  c.head_dim = keys.count_or("attention.key_length", c.embedding / c.query_heads, 2, kHeadDimMax);
  const std::uint32_t value_length =
      keys.count_or("attention.value_length", c.embedding / c.query_heads, 1, kHeadDimMax);
  if (value_length != c.head_dim)
    keys.fail(keys.name("attention.value_length"), " is ", value_length, ", and attention.key_length ", c.head_dim,
              "; only equal ones are supported");
  if (c.head_dim < 2 || c.head_dim > kHeadDimMax || c.head_dim % 2 != 0)
    keys.fail("the head dimension is ", c.head_dim, "; it must be even and in [2, ", kHeadDimMax, "]");
  c.rms_epsilon = keys.number("attention.layer_norm_rms_epsilon", 1e-12f, 0.1f);
  keys.ignore({"vocab_size", "tensor_data_layout"});  // the embedding's rows decide; order of the original's tensors
}

void read_rope_scaling(Hyperparameters& keys, const ModelConfig& c, RopeConfig& rope) {
  const std::string kind = keys.text_or("rope.scaling.type", "linear");
  const float legacy = keys.number_or("rope.scale_linear", 1, 1, 4096);
  const float factor = keys.number_or("rope.scaling.factor", legacy, 0, 4096);
  rope.factor = factor == 0 ? 1 : factor;  // 0 has come to mean absent
  if (rope.factor < 1) keys.fail(keys.name("rope.scaling.factor"), " is ", factor, "; it must be at least 1");
  rope.magnitude = keys.number_or("rope.scaling.attn_factor", 1, 1e-3f, 1e3f);
  const std::uint32_t original =
      keys.count_or("rope.scaling.original_context_length", c.context_length, 1, kContextMax);
  const float extrapolation = keys.number_or("rope.scaling.yarn_ext_factor", 1, 0, 1);
  const float beta_fast = keys.number_or("rope.scaling.yarn_beta_fast", 32, 1e-3f, 1e6f);
  const float beta_slow = keys.number_or("rope.scaling.yarn_beta_slow", 1, 1e-3f, 1e6f);
  keys.must_be("rope.scaling.yarn_attn_factor", 1.0f);
  keys.must_be("rope.scaling.yarn_log_multiplier", 0.0f);
  keys.ignore({"rope.scaling.finetuned"});
  if (kind == "none") {
    rope.factor = 1;
  } else if (kind == "linear") {
    rope.scaling = rope.factor == 1 ? RopeScalingKind::kNone : RopeScalingKind::kLinear;
  } else if (kind == "yarn") {
    rope.scaling = RopeScalingKind::kYarn;
    rope.original_context = original;
    rope.yarn_extrapolation = extrapolation;
    rope.yarn_beta_fast = beta_fast;
    rope.yarn_beta_slow = beta_slow;
  } else {
    keys.fail(keys.name("rope.scaling.type"), " is ", printable(kind),
              ", which is not supported; none, linear and yarn are");
  }
}

// Llama 3.1 divides each pair's frequency by a factor that the converter wrote as a tensor.
void read_rope_factors(const GgufFile& file, Hyperparameters& keys, ModelConfig& c) {
  const GgufTensor* const tensor = file.find_tensor("rope_freqs.weight");
  if (tensor == nullptr || c.architecture != Architecture::kLlama) return;
  if (tensor->format != kernels::WeightFormat::kF32 || tensor->elements() != c.rotated / 2) {
    keys.fail("tensor rope_freqs.weight is ", to_string(tensor->format), " ", shape_to_string(*tensor), "; it must be F32 [",
              c.rotated / 2, "]");
    return;
  }
  c.rope.frequency_factors.resize(c.rotated / 2);
  std::memcpy(c.rope.frequency_factors.data(), tensor->bytes.data(), tensor->bytes.size());
  for (float factor : c.rope.frequency_factors)
    if (!(factor >= 1e-3f && factor <= 1e6f)) keys.fail("tensor rope_freqs.weight holds ", factor, ", no usable factor");
}

void read_rope(const GgufFile& file, Hyperparameters& keys, ModelConfig& c) {
  c.rope_kind = c.architecture == Architecture::kLlama ? RopeKind::kNorm : RopeKind::kNeox;
  c.rotated = keys.count_or("rope.dimension_count", c.head_dim, 2, kHeadDimMax);
  if (c.rotated % 2 != 0 || c.rotated > c.head_dim)
    keys.fail(keys.name("rope.dimension_count"), " is ", c.rotated, "; it must be even and at most the head dimension ",
              c.head_dim);
  c.rope.base = keys.number_or("rope.freq_base", 10000, 1.5f, 1e12f);
  read_rope_scaling(keys, c, c.rope);
  read_rope_factors(file, keys, c);
  c.rope_local = c.rope;
}

// Gemma 3: five layers with a window, then one that sees all; the former have a base of their own and no scaling.
void read_windows(Hyperparameters& keys, ModelConfig& c) {
  c.window.assign(c.layers, 0);
  if (c.architecture != Architecture::kGemma3) {
    keys.must_be("attention.sliding_window", 0u);
    return;
  }
  const std::uint32_t window = keys.count("attention.sliding_window", 1, kContextMax);
  const std::uint32_t period = keys.count_or("attention.sliding_window_pattern", 6, 1, kLayersMax);
  for (std::uint32_t layer = 0; layer < c.layers; ++layer)
    if ((layer + 1) % period != 0) c.window[layer] = window;
  c.rope_local = RopeConfig{};
  c.rope_local.base = keys.number_or("rope.freq_base_swa", 10000, 1.5f, 1e12f);
}

float default_query_scale(const ModelConfig& c) {
  // Gemma 3 27B, which nothing but its depth tells: scaled by E / Hq instead of d (Gemma Team 2025, config of 27B).
  const bool is_gemma_27b = c.architecture == Architecture::kGemma3 && c.layers == 62;
  return 1.0f / std::sqrt(static_cast<float>(is_gemma_27b ? c.embedding / c.query_heads : c.head_dim));
}

void read_arithmetic(const GgufFile& file, Hyperparameters& keys, ModelConfig& c) {
  const bool gemma = c.architecture == Architecture::kGemma3;
  c.query_scale = keys.number_or("attention.scale", default_query_scale(c), 1e-6f, 1e3f);
  c.embedding_scale = gemma ? std::sqrt(static_cast<float>(c.embedding)) : 1.0f;
  c.attention_softcap = keys.number_or("attn_logit_softcapping", 0, 0, 1e6f);
  c.final_logit_softcap = keys.number_or("final_logit_softcapping", 0, 0, 1e6f);
  c.activation = gemma ? Activation::kGeluTanh : Activation::kSilu;
  c.query_key_norm = gemma || c.architecture == Architecture::kQwen3;
  c.post_norms = gemma;
  c.qkv_bias = file.find_tensor("blk.0.attn_q.bias") != nullptr;
  c.tied_embeddings = file.find_tensor("output.weight") == nullptr;

  keys.must_be("attention.causal", true);
  keys.must_be("use_parallel_residual", false);
  for (std::string_view key : {"expert_count", "expert_used_count", "expert_shared_count", "pooling_type"})
    keys.must_be(key, 0u);
  for (std::string_view key : {"attention.clamp_kqv", "attention.max_alibi_bias"}) keys.must_be(key, 0.0f);
  for (std::string_view key : {"logit_scale", "residual_scale", "embedding_scale", "attention.output_scale"})
    keys.must_be(key, 1.0f);
}

void read_vocabulary(const GgufFile& file, Hyperparameters& keys, ModelConfig& c) {
  const GgufTensor* const embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr) return keys.fail("has no tensor token_embd.weight");
  if (embedding->extents[1] > kVocabularyMax)
    return keys.fail("tensor token_embd.weight has ", embedding->extents[1], " rows; at most ", kVocabularyMax);
  c.vocabulary = static_cast<std::uint32_t>(embedding->extents[1]);
  const GgufEntry* const tokens = file.find("tokenizer.ggml.tokens");
  if (tokens != nullptr && tokens->count != c.vocabulary)
    keys.fail("tokenizer.ggml.tokens has ", tokens->count, " tokens, and token_embd.weight ", c.vocabulary, " rows");
}

}  // namespace

std::string_view to_string(Architecture architecture) {
  for (const auto& [name, known] : kArchitectures)
    if (known == architecture) return name;
  return "?";
}

Result<ModelConfig> parse_model_config(const GgufFile& file) {
  const auto architecture = read_architecture(file);
  if (!architecture) return architecture.error();
  ModelConfig config;
  config.architecture = *architecture;
  const auto name = file.get_or<std::string_view>("general.name", "");
  if (!name) return name.error();
  config.name = name->empty() ? std::filesystem::path(file.name()).stem().string() : std::string(*name);

  Hyperparameters keys(file, to_string(*architecture));
  read_shape(keys, config);
  read_rope(file, keys, config);
  read_windows(keys, config);
  read_arithmetic(file, keys, config);
  read_vocabulary(file, keys, config);
  if (auto ok = keys.finish(); !ok) return ok.error();
  if (auto ok = check_tensors(file, config); !ok) return ok.error();
  return config;
}

}  // namespace longshore::model
