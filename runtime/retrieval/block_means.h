#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/kernels/isa.h"
#include "runtime/kv/kv_codec.h"

namespace longshore::retrieval {

// What `block-mean` knows of a leaf: the means of its keys 0 to 31, 16 to 47, ..., 96 to 127, which stand for them when it
// is asked which units are worth reading (Zhao et al. 2025, InfLLM-V2, arXiv 2509.24663: "compressed keys", the mean of 32
// every 16). None reaches over the end of a leaf, so that a leaf's means follow from the leaf alone, whoever holds it.
inline constexpr std::uint32_t kMeans = 7;
// In memory: [d][8] f16, the eighth 0.
inline constexpr std::uint32_t kMeanLanes = 8;
constexpr std::size_t mean_values(std::uint32_t d) { return std::size_t{kMeanLanes} * d; }

// A unit is what is chosen or not: 64 positions, half a leaf, the positions [64 u, 64 (u + 1)) of it.
inline constexpr std::uint32_t kUnitTokens = 64;
inline constexpr std::uint32_t kUnitsOfLeaf = kLeafTokens / kUnitTokens;

// One table per instruction set, equal bit for bit. Requires of all: the thread runs under set_float_environment().
struct MeanKernels {
  std::string_view name;

  // The means of a full block: for each dimension the sum of each group of 16 keys as it was stored (f32, lanes halved as in
  // reduce_add), two neighbours added, times 1/32, rounded to f16. means: [d][8], aligned to 16 bytes.
  void (*means)(const kv::KvLayout& layout, const std::byte* block, std::uint16_t* means);

  // The logit of each unit for each row: the largest over the four means that touch it, of q . mean, one chain
  // a = fma(q[c], mean[c], a) from +0. means: [leaves] of d * 8; q: [rows, d]; logits: [rows, 2 * leaves].
  void (*score)(const std::uint16_t* const* means, std::size_t leaves, std::uint32_t d, const float* q, std::uint32_t rows,
                float* logits);

  // exp(x) for n values x <= 0 (docs/determinism.md); out may be x.
  void (*exp_nonpositive)(const float* x, float* out, std::size_t n);
};

extern const MeanKernels kMeanKernelsPortable;
extern const MeanKernels kMeanKernelsAvx2;
extern const MeanKernels kMeanKernelsAvx512;

// Requires: is_supported(isa).
const MeanKernels& mean_kernels(kernels::Isa isa);

}  // namespace longshore::retrieval
