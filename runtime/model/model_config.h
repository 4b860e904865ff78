#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/model/gguf.h"
#include "runtime/plan/head_plan.h"

namespace longshore::model {

enum class Architecture : std::uint8_t { kLlama, kQwen2, kQwen3, kGemma3 };
enum class Activation : std::uint8_t { kSilu, kGeluTanh };
enum class RopeKind : std::uint8_t { kNorm, kNeox };  // rotates neighbours (2i, 2i+1) / halves (i, i + rotated/2)
enum class RopeScalingKind : std::uint8_t { kNone, kLinear, kYarn };

std::string_view to_string(Architecture architecture);

// How positions become angles: pair i of position p turns by p * base^(-2i/rotated), after scaling.
// Source: Su et al. 2021, RoPE; Chen et al. 2023, position interpolation (linear); Peng et al. 2023, YaRN;
// Llama 3.1's factors come per pair with the file (tensor rope_freqs.weight) and divide the angle.
struct RopeConfig {
  float base = 10000.0f;
  RopeScalingKind scaling = RopeScalingKind::kNone;
  float factor = 1.0f;                   // linear and YaRN: the context grew by it, >= 1
  std::uint32_t original_context = 0;    // YaRN: tokens, before it grew
  float yarn_extrapolation = 1.0f;       // YaRN: share of extrapolation where the ramp allows it
  float magnitude = 1.0f;                // multiplies cosine and sine; YaRN adds its own 1 + 0.1 ln(factor)
  float yarn_beta_fast = 32.0f;          // rotations over the original context: above, pairs stay as they are
  float yarn_beta_slow = 1.0f;           // below, they are interpolated
  std::vector<float> frequency_factors{};  // empty, or rotated/2 positive divisors (Llama 3.1)
  bool operator==(const RopeConfig&) const = default;
};

// Hyperparameters of one decoder model: all that decides its arithmetic beside the weights. Immutable once parsed.
struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  std::string name;

  std::uint32_t layers = 0;          // L
  std::uint32_t embedding = 0;       // E
  std::uint32_t feed_forward = 0;    // F
  std::uint32_t vocabulary = 0;      // V, rows of the embedding
  std::uint32_t query_heads = 0;     // Hq
  std::uint32_t kv_heads = 0;        // Hkv, divides Hq
  std::uint32_t head_dim = 0;        // d, even, of keys and of values
  std::uint32_t context_length = 0;  // positions that the model was trained for (after scaling)
  float rms_epsilon = 0;

  RopeKind rope_kind = RopeKind::kNorm;
  std::uint32_t rotated = 0;  // leading dimensions of a head that RoPE turns, even, <= d; the others pass
  RopeConfig rope;            // layers with full attention
  RopeConfig rope_local;      // layers with a window

  std::vector<std::uint32_t> window;  // [L]: 0 sees all; w sees keys at distance 0 .. w-1

  float query_scale = 0;          // multiplies q after norm and RoPE
  float embedding_scale = 1;      // multiplies the embedding row
  float attention_softcap = 0;    // 0: none; else logit -> cap * tanh(logit / cap)
  float final_logit_softcap = 0;  // the same on the output logits
  Activation activation = Activation::kSilu;
  bool qkv_bias = false;         // attn_{q,k,v}.bias are added before norm and RoPE
  bool query_key_norm = false;   // RMS norm per head, before RoPE
  bool post_norms = false;       // RMS norm of each sublayer's output before the residual sum
  bool tied_embeddings = false;  // no output.weight: logits use the embedding

  std::uint32_t group() const { return query_heads / kv_heads; }  // G
  bool windowed(std::uint32_t layer) const { return window[layer] != 0; }
  bool has_windows() const {
    return std::any_of(window.begin(), window.end(), [](std::uint32_t positions) { return positions != 0; });
  }
  // What rows see in a layer and KV head: the model's own window, where the layer has one, else the plan's rule.
  HeadRule head_rule(const HeadPlan& plan, std::uint32_t layer, std::uint32_t kv_head) const {
    return windowed(layer) ? HeadRule{0, window[layer]} : plan.rule(layer, kv_head, kv_heads);
  }
  const RopeConfig& rope_of(std::uint32_t layer) const { return windowed(layer) ? rope_local : rope; }
};

// Reads and checks the file's hyperparameters and that it has exactly the tensors, in the shapes, that they ask for.
// Errors: kInvalidArgument naming file, key or tensor, value and range; also for every `<architecture>.*` key and
// every tensor that this runtime does not know, because it might change the arithmetic.
Result<ModelConfig> parse_model_config(const GgufFile& file);

}  // namespace longshore::model
