#include "runtime/model/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "tests/support/tiny_gguf.h"

namespace longshore::model {
namespace {

using test::GgufBuilder;
using test::TinyGguf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

Result<ModelConfig> parse(const GgufBuilder& builder) {
  const auto bytes = builder.build();
  const auto file = GgufFile::parse("m.gguf", bytes);
  if (!file) return file.error();
  return parse_model_config(**file);
}

Result<ModelConfig> parse(const TinyGguf& tiny, const std::function<void(GgufBuilder&)>& add = {}) {
  GgufBuilder builder = tiny.metadata();
  if (add) add(builder);
  tiny.add_tensors(builder);
  return parse(builder);
}

void expect_refused(const Result<ModelConfig>& config, const std::string& reason) {
  ASSERT_FALSE(config.has_value()) << "accepted; expected: " << reason;
  EXPECT_EQ(config.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(config.error().message, HasSubstr("m.gguf"));
  EXPECT_THAT(config.error().message, HasSubstr(reason));
}

// Metadata with one key of the standard set replaced (or left out).
GgufBuilder without(const TinyGguf& tiny, const std::string& left_out,
                    const std::function<void(GgufBuilder&)>& add = {}) {
  const auto keep = [&](std::string_view key) { return key != left_out; };
  GgufBuilder out;
  const std::pair<std::string_view, std::uint32_t> counts[] = {
      {"block_count", tiny.layers}, {"embedding_length", tiny.embedding}, {"feed_forward_length", tiny.feed_forward},
      {"context_length", 2048}, {"attention.head_count", tiny.query_heads},
      {"attention.head_count_kv", tiny.kv_heads}, {"attention.key_length", tiny.head_dim},
      {"attention.value_length", tiny.head_dim}};
  if (keep("general.architecture")) out.text("general.architecture", tiny.architecture);
  for (const auto& [key, value] : counts)
    if (keep(key)) out.uint32(tiny.key(key), value);
  if (keep("attention.layer_norm_rms_epsilon")) out.float32(tiny.key("attention.layer_norm_rms_epsilon"), 1e-6f);
  if (add) add(out);
  tiny.add_tensors(out);
  return out;
}

TEST(ModelConfigTest, ReadsLlama) {
  const auto c = parse(TinyGguf{});
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->architecture, Architecture::kLlama);
  EXPECT_EQ(c->name, "Tiny");
  EXPECT_EQ(c->layers, 12u);
  EXPECT_EQ(c->embedding, 64u);
  EXPECT_EQ(c->feed_forward, 96u);
  EXPECT_EQ(c->vocabulary, 40u);
  EXPECT_EQ(c->group(), 2u);
  EXPECT_EQ(c->head_dim, 32u);
  EXPECT_EQ(c->context_length, 2048u);
  EXPECT_EQ(c->rms_epsilon, 1e-6f);
  EXPECT_EQ(c->rope_kind, RopeKind::kNorm);
  EXPECT_EQ(c->rotated, 32u);
  EXPECT_EQ(c->rope.base, 1e6f);
  EXPECT_EQ(c->rope, c->rope_local);
  EXPECT_THAT(c->window, Each(0u));
  EXPECT_EQ(c->query_scale, 1.0f / std::sqrt(32.0f));
  EXPECT_EQ(c->embedding_scale, 1.0f);
  EXPECT_EQ(c->activation, Activation::kSilu);
  EXPECT_FALSE(c->qkv_bias || c->query_key_norm || c->post_norms);
  EXPECT_TRUE(c->tied_embeddings);
}

TEST(ModelConfigTest, ReadsQwen) {
  const auto qwen2 = parse(TinyGguf{.architecture = "qwen2", .tied = false, .bias = true});
  ASSERT_TRUE(qwen2.has_value()) << qwen2.error().message;
  EXPECT_EQ(qwen2->rope_kind, RopeKind::kNeox);
  EXPECT_TRUE(qwen2->qkv_bias);
  EXPECT_FALSE(qwen2->query_key_norm || qwen2->tied_embeddings);
  const auto qwen3 = parse(TinyGguf{.architecture = "qwen3"});
  ASSERT_TRUE(qwen3.has_value()) << qwen3.error().message;
  EXPECT_EQ(qwen3->rope_kind, RopeKind::kNeox);
  EXPECT_TRUE(qwen3->query_key_norm);
  EXPECT_FALSE(qwen3->qkv_bias || qwen3->post_norms);
}

TEST(ModelConfigTest, ReadsGemma3) {
  const auto c = parse(TinyGguf{.architecture = "gemma3"});
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->rope_kind, RopeKind::kNeox);
  EXPECT_EQ(c->rope.base, 1e6f);
  EXPECT_EQ(c->rope_local.base, 1e4f);
  EXPECT_THAT(c->window, ElementsAre(512, 512, 512, 512, 512, 0, 512, 512, 512, 512, 512, 0));
  EXPECT_EQ(&c->rope_of(5), &c->rope);
  EXPECT_EQ(&c->rope_of(6), &c->rope_local);
  EXPECT_EQ(c->embedding_scale, 8.0f);
  EXPECT_EQ(c->query_scale, 1.0f / std::sqrt(32.0f));
  EXPECT_EQ(c->activation, Activation::kGeluTanh);
  EXPECT_TRUE(c->query_key_norm && c->post_norms);
}

TEST(ModelConfigTest, Gemma3Of62LayersScalesQueriesByItsWidth) {
  const auto c = parse(TinyGguf{.architecture = "gemma3", .layers = 62});
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->query_scale, 0.25f);  // 1 / sqrt(64 / 4)
}

TEST(ModelConfigTest, LocalLayersOfGemma3AreNotScaled) {
  const TinyGguf tiny{.architecture = "gemma3"};
  const auto c = parse(tiny, [&](GgufBuilder& out) {
    out.text(tiny.key("rope.scaling.type"), "linear").float32(tiny.key("rope.scaling.factor"), 8);
  });
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->rope.scaling, RopeScalingKind::kLinear);
  EXPECT_EQ(c->rope.factor, 8.0f);
  EXPECT_EQ(c->rope_local.scaling, RopeScalingKind::kNone);
  EXPECT_EQ(c->rope_local.factor, 1.0f);
}

TEST(ModelConfigTest, ReadsYarn) {
  const TinyGguf tiny{.architecture = "qwen3"};
  const auto c = parse(tiny, [&](GgufBuilder& out) {
    out.text(tiny.key("rope.scaling.type"), "yarn").float32(tiny.key("rope.scaling.factor"), 4);
    out.uint32(tiny.key("rope.scaling.original_context_length"), 512);
    out.float32(tiny.key("rope.scaling.attn_factor"), 1.25f).float32(tiny.key("rope.scaling.yarn_beta_fast"), 16);
  });
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->rope.scaling, RopeScalingKind::kYarn);
  EXPECT_EQ(c->rope.factor, 4.0f);
  EXPECT_EQ(c->rope.original_context, 512u);
  EXPECT_EQ(c->rope.magnitude, 1.25f);
  EXPECT_EQ(c->rope.yarn_beta_fast, 16.0f);
  EXPECT_EQ(c->rope.yarn_beta_slow, 1.0f);
}

TEST(ModelConfigTest, ReadsLlama31FactorsFromTheirTensor) {
  TinyGguf tiny;
  std::vector<float> factors(16, 8.0f);
  factors[0] = 1;
  const auto c = parse(tiny, [&](GgufBuilder& out) { out.floats("rope_freqs.weight", {16}, factors); });
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->rope.frequency_factors, factors);
  const auto wrong_size = parse(tiny, [](GgufBuilder& out) { out.tensor("rope_freqs.weight", {8}); });
  expect_refused(wrong_size, "rope_freqs.weight is F32 [8]; it must be F32 [16]");
  expect_refused(parse(tiny, [](GgufBuilder& out) { out.tensor("rope_freqs.weight", {16}); }), "holds 0");
}

TEST(ModelConfigTest, ReadsSoftCapsScaleAndPartialRotation) {
  const TinyGguf tiny;
  const auto c = parse(tiny, [&](GgufBuilder& out) {
    out.float32(tiny.key("attn_logit_softcapping"), 50).float32(tiny.key("final_logit_softcapping"), 30);
    out.float32(tiny.key("attention.scale"), 0.5f).uint32(tiny.key("rope.dimension_count"), 16);
  });
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->attention_softcap, 50.0f);
  EXPECT_EQ(c->final_logit_softcap, 30.0f);
  EXPECT_EQ(c->query_scale, 0.5f);
  EXPECT_EQ(c->rotated, 16u);
}

TEST(ModelConfigTest, HeadDimensionFollowsFromTheWidthWhereTheFileHasNone) {
  const TinyGguf tiny{.head_dim = 16};
  GgufBuilder out;
  out.text("general.architecture", "llama").uint32("llama.block_count", 12).uint32("llama.embedding_length", 64);
  out.uint32("llama.feed_forward_length", 96).uint32("llama.context_length", 2048);
  out.uint32("llama.attention.head_count", 4).array<std::uint32_t>("llama.attention.head_count_kv",
                                                                   GgufType::kUint32, {2, 2, 2});
  out.float32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  tiny.add_tensors(out);
  const auto c = parse(out);
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->head_dim, 16u);
  EXPECT_EQ(c->kv_heads, 2u);
  EXPECT_EQ(c->name, "m");
}

TEST(ModelConfigTest, RefusesWhatIsMissing) {
  const TinyGguf tiny;
  for (const char* key : {"block_count", "embedding_length", "feed_forward_length", "context_length",
                          "attention.head_count", "attention.layer_norm_rms_epsilon"})
    expect_refused(parse(without(tiny, key)), "has no metadata key llama." + std::string(key));
  expect_refused(parse(without(tiny, "general.architecture")), "has no metadata key general.architecture");
  const TinyGguf gemma{.architecture = "gemma3"};
  expect_refused(parse(without(gemma, "")), "has no metadata key gemma3.attention.sliding_window");
}

TEST(ModelConfigTest, RefusesOtherArchitecturesAndKindsOfFiles) {
  expect_refused(parse(TinyGguf{.architecture = "phi3"}), "general.architecture phi3 is not supported");
  const TinyGguf tiny;
  expect_refused(parse(tiny, [](GgufBuilder& out) { out.text("general.type", "adapter"); }), "general.type is adapter");
  expect_refused(parse(tiny, [](GgufBuilder& out) { out.scalar<std::uint16_t>("split.count", GgufType::kUint16, 3); }),
                 "one of 3 parts");
}

TEST(ModelConfigTest, RefusesSizesThatCannotBe) {
  const TinyGguf tiny;
  const auto with = [&](const std::string& key, std::uint32_t value) {
    return parse(without(tiny, key, [&](GgufBuilder& out) { out.uint32(tiny.key(key), value); }));
  };
  expect_refused(with("attention.head_count", 0), "llama.attention.head_count is 0; it must be in [1, 1024]");
  expect_refused(with("attention.head_count_kv", 0), "head_count_kv is 0");
  expect_refused(with("attention.head_count_kv", 3), "is 4, not a multiple of attention.head_count_kv 3");
  expect_refused(with("block_count", 0), "block_count is 0");
  expect_refused(with("block_count", 4000000000u), "block_count is 4000000000; it must be in [1, 1024]");
  expect_refused(with("embedding_length", 1u << 30), "embedding_length is 1073741824");
  expect_refused(with("feed_forward_length", 1u << 31), "feed_forward_length is 2147483648");
  expect_refused(with("context_length", 1u << 21), "context_length is 2097152");
  expect_refused(with("attention.key_length", 33), "attention.value_length is 32, and attention.key_length 33");
  expect_refused(parse(TinyGguf{.head_dim = 31}), "the head dimension is 31; it must be even");
  expect_refused(parse(TinyGguf{.head_dim = 2048}), "key_length is 2048");
  expect_refused(parse(tiny, [](GgufBuilder& out) { out.uint32("llama.rope.dimension_count", 34); }),
                 "rope.dimension_count is 34; it must be even and at most");
}

TEST(ModelConfigTest, RefusesNumbersThatCannotBe) {
  const TinyGguf tiny;
  const std::string epsilon = "attention.layer_norm_rms_epsilon";
  for (float wrong : {0.0f, -1e-6f, 1.0f, std::numeric_limits<float>::quiet_NaN()})
    expect_refused(parse(without(tiny, epsilon, [&](GgufBuilder& out) { out.float32(tiny.key(epsilon), wrong); })),
                   "layer_norm_rms_epsilon is ");
  const auto with = [&](const std::string& key, float value) {
    return parse(without(tiny, "", [&](GgufBuilder& out) { out.float32(tiny.key(key), value); }));
  };
  expect_refused(with("rope.freq_base", 1), "rope.freq_base is 1");
  expect_refused(with("rope.freq_base", std::numeric_limits<float>::infinity()), "rope.freq_base is inf");
  expect_refused(with("rope.scaling.factor", 0.5f), "rope.scaling.factor is 0.5");
  expect_refused(with("attn_logit_softcapping", -1), "attn_logit_softcapping is -1");
}

TEST(ModelConfigTest, RefusesKeysThatChangeTheArithmetic) {
  const TinyGguf tiny;
  const auto with = [&](const std::function<void(GgufBuilder&)>& add) { return parse(tiny, add); };
  expect_refused(with([](GgufBuilder& out) { out.uint32("llama.expert_count", 8); }), "llama.expert_count is 8");
  expect_refused(with([](GgufBuilder& out) { out.boolean("llama.attention.causal", false); }),
                 "llama.attention.causal is false");
  expect_refused(with([](GgufBuilder& out) { out.float32("llama.attention.clamp_kqv", 8); }), "clamp_kqv is 8");
  expect_refused(with([](GgufBuilder& out) { out.float32("llama.logit_scale", 0.5f); }), "logit_scale is 0.5");
  expect_refused(with([](GgufBuilder& out) { out.uint32("llama.attention.sliding_window", 4096); }),
                 "llama.attention.sliding_window is 4096");
  expect_refused(with([](GgufBuilder& out) { out.text("llama.rope.scaling.type", "longrope"); }),
                 "llama.rope.scaling.type is longrope");
  expect_refused(with([](GgufBuilder& out) { out.float32("llama.rope.scaling.yarn_log_multiplier", 0.1f); }),
                 "yarn_log_multiplier is 0.1");
  expect_refused(with([](GgufBuilder& out) { out.uint32("llama.attention.shared_kv_layers", 2); }),
                 "metadata key llama.attention.shared_kv_layers is not known");
  expect_refused(with([](GgufBuilder& out) { out.text("llama.feed_forward_length.x", ""); }), "is not known");
}

TEST(ModelConfigTest, RefusesLayersThatDiffer) {
  const TinyGguf tiny;
  expect_refused(parse(without(tiny, "feed_forward_length",
                               [](GgufBuilder& out) {
                                 out.array<std::int32_t>("llama.feed_forward_length", GgufType::kInt32, {96, 128});
                               })),
                 "llama.feed_forward_length differs from layer to layer");
}

TEST(ModelConfigTest, AcceptsNeutralValuesAndWhatDoesNotConcernIt) {
  const auto c = parse(TinyGguf{}, [](GgufBuilder& out) {
    out.uint32("llama.expert_count", 0).boolean("llama.attention.causal", true).float32("llama.logit_scale", 1);
    out.uint32("llama.vocab_size", 32000).uint32("tokenizer.ggml.bos_token_id", 1).text("general.license", "mit");
    out.text("llama.rope.scaling.type", "none").float32("llama.rope.scaling.factor", 8).uint32("qwen2.whatever", 1);
  });
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->rope.factor, 1.0f);
}

TEST(ModelConfigTest, RefusesTensorsThatAreMissingWrongOrUnknown) {
  const TinyGguf tiny;
  expect_refused(parse(TinyGguf{}.metadata()), "has no tensor token_embd.weight");
  expect_refused(parse(tiny, [](GgufBuilder& out) { out.tensor("blk.3.attn_output.bias", {64}); }),
                 "tensor blk.3.attn_output.bias is not known");
  expect_refused(parse(tiny, [](GgufBuilder& out) { out.tensor("blk.12.attn_norm.weight", {64}); }),
                 "tensor blk.12.attn_norm.weight is not known");
  expect_refused(parse(TinyGguf{.architecture = "qwen3"}, [](GgufBuilder& out) { out.tensor("rope_freqs.weight", {16}); }),
                 "rope_freqs.weight is not known");
  GgufBuilder other_heads = tiny.metadata();
  TinyGguf{.kv_heads = 4}.add_tensors(other_heads);
  expect_refused(parse(other_heads), "tensor blk.0.attn_k.weight has shape [64, 128]; the metadata asks for [64, 64]");
  GgufBuilder fewer = tiny.metadata();
  TinyGguf{.layers = 11}.add_tensors(fewer);
  expect_refused(parse(fewer), "has no tensor blk.11.attn_norm.weight");
  expect_refused(parse(tiny, [](GgufBuilder& out) { out.texts("tokenizer.ggml.tokens", {"a", "b"}); }),
                 "tokenizer.ggml.tokens has 2 tokens, and token_embd.weight 40 rows");
}

}  // namespace
}  // namespace longshore::model
