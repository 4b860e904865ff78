#pragma once

#include <cstdint>
#include <string>

#include "tests/support/gguf_builder.h"

namespace longshore::test {

// The header of a small model of any architecture, all weights zero: L 12, E 64, F 96, V 40, Hq 4, Hkv 2, d 32.
struct TinyGguf {
  std::string architecture = "llama";
  std::uint32_t layers = 12, embedding = 64, feed_forward = 96, vocabulary = 40;
  std::uint32_t query_heads = 4, kv_heads = 2, head_dim = 32;
  bool tied = true;
  bool bias = false;  // qwen2's

  std::string key(std::string_view name) const { return architecture + "." + std::string(name); }

  GgufBuilder metadata() const {
    GgufBuilder out;
    out.text("general.architecture", architecture).text("general.name", "Tiny");
    out.uint32(key("block_count"), layers).uint32(key("embedding_length"), embedding);
    out.uint32(key("feed_forward_length"), feed_forward).uint32(key("context_length"), 2048);
    out.uint32(key("attention.head_count"), query_heads).uint32(key("attention.head_count_kv"), kv_heads);
    out.uint32(key("attention.key_length"), head_dim).uint32(key("attention.value_length"), head_dim);
    out.float32(key("attention.layer_norm_rms_epsilon"), 1e-6f).float32(key("rope.freq_base"), 1e6f);
    if (architecture == "gemma3") out.uint32(key("attention.sliding_window"), 512);
    return out;
  }

  void add_tensors(GgufBuilder& out) const {
    const std::uint64_t E = embedding, F = feed_forward, query = query_heads * head_dim, kv = kv_heads * head_dim;
    const bool gemma = architecture == "gemma3";
    out.tensor("token_embd.weight", {E, vocabulary}).tensor("output_norm.weight", {E});
    if (!tied) out.tensor("output.weight", {E, vocabulary});
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      const std::string block = "blk." + std::to_string(layer) + ".";
      out.tensor(block + "attn_norm.weight", {E}).tensor(block + "ffn_norm.weight", {E});
      out.tensor(block + "attn_q.weight", {E, query}).tensor(block + "attn_k.weight", {E, kv});
      out.tensor(block + "attn_v.weight", {E, kv}).tensor(block + "attn_output.weight", {query, E});
      out.tensor(block + "ffn_gate.weight", {E, F}).tensor(block + "ffn_up.weight", {E, F});
      out.tensor(block + "ffn_down.weight", {F, E});
      if (bias)
        out.tensor(block + "attn_q.bias", {query}).tensor(block + "attn_k.bias", {kv}).tensor(block + "attn_v.bias", {kv});
      if (gemma || architecture == "qwen3")
        out.tensor(block + "attn_q_norm.weight", {head_dim}).tensor(block + "attn_k_norm.weight", {head_dim});
      if (gemma)
        out.tensor(block + "post_attention_norm.weight", {E}).tensor(block + "post_ffw_norm.weight", {E});
    }
  }

  GgufBuilder build() const {
    GgufBuilder out = metadata();
    add_tensors(out);
    return out;
  }
};

}  // namespace longshore::test
