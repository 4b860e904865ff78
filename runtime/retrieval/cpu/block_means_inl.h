#pragma once

// Means of keys and their logits, for one instruction set: the .cc that includes this file has included a lanes header and
// set kScoreRows before. Internal linkage throughout, no inline function of a shared header called.

#include "runtime/kernels/cpu/elementary_inl.h"
#include "runtime/kv/cpu/widen_inl.h"
#include "runtime/retrieval/block_means.h"

namespace longshore::retrieval {
namespace {

using namespace longshore::kernels;
using namespace longshore::kv;

template <typename Codec>
void means_of(const std::byte* block, std::uint32_t d, std::uint16_t* means) {
  for (std::uint32_t part = 0; part < d / kLanes; ++part) {
    float sums[kKeyGroups][kLanes];  // of 16 keys, by dimension
    for (std::uint32_t group = 0; group < kKeyGroups; ++group) {
      typename Codec::Keys keys;
      keys.open(block, d, group, part);
      for (std::uint32_t i = 0; i < kLanes; ++i) sums[group][i] = reduce_add(keys.load(i));
    }
    for (std::uint32_t i = 0; i < kLanes; ++i) {
      float lanes[kLanes] = {};
      for (std::uint32_t m = 0; m < kMeans; ++m) lanes[m] = (sums[m][i] + sums[m + 1][i]) * 0x1p-5f;
      std::uint16_t narrow[kLanes];
      store_f16(narrow, load(lanes));
      for (std::uint32_t l = 0; l < kMeanLanes; ++l) means[(part * kLanes + i) * kMeanLanes + l] = narrow[l];
    }
  }
}

void means(const kv::KvLayout& layout, const std::byte* block, std::uint16_t* out) {
  switch (layout.type) {
    case Dtype::kF32:
      return means_of<F32Codec>(block, layout.d, out);
    case Dtype::kF16:
      return means_of<F16Codec>(block, layout.d, out);
    case Dtype::kBF16:
      return means_of<Bf16Codec>(block, layout.d, out);
    case Dtype::kQ8_0:
      return means_of<Q8Codec>(block, layout.d, out);
  }
}

// The four means from `lane` on. The sum makes one zero of the two.
inline float largest_of_four(const float* lane) {
  const float a = lane[0] > lane[1] ? lane[0] : lane[1], b = lane[2] > lane[3] ? lane[2] : lane[3];
  return (a > b ? a : b) + 0.0f;
}

// Two leaves at a time fill the lanes.
template <int kRows>
void score_pair(const std::uint16_t* low, const std::uint16_t* high, std::uint32_t d, const float* q,
                float (*lanes)[kLanes]) {
  F32x16 sum[kRows];
  unrolled<kRows>([&](auto r) { sum[r] = zero(); });
  for (std::uint32_t c = 0; c < d; ++c) {
    const F32x16 mean = load_f16_halves(low + c * kMeanLanes, high + c * kMeanLanes);
    unrolled<kRows>([&](auto r) { sum[r] = fma(broadcast(q[r * d + c]), mean, sum[r]); });
  }
  unrolled<kRows>([&](auto r) { store(lanes[r], sum[r]); });
}

template <int kMost>
void score_rows(const std::uint16_t* low, const std::uint16_t* high, std::uint32_t d, const float* q, std::uint32_t rows,
                float (*lanes)[kLanes]) {
  if (rows == kMost) return score_pair<kMost>(low, high, d, q, lanes);
  if constexpr (kMost > 1) score_rows<kMost - 1>(low, high, d, q, rows, lanes);
}

void score(const std::uint16_t* const* at, std::size_t count, std::uint32_t d, const float* q, std::uint32_t rows,
           float* logits) {
  constexpr std::uint32_t kSecond = 3;  // the first mean that touches the second half: keys 48 to 79
  for (std::uint32_t first = 0; first < rows; first += kScoreRows) {
    const std::uint32_t now = rows - first < kScoreRows ? rows - first : kScoreRows;
    for (std::size_t n = 0; n < count; n += 2) {
      const bool is_pair = n + 1 < count;
      float lanes[kScoreRows][kLanes];
      score_rows<kScoreRows>(at[n], at[is_pair ? n + 1 : n], d, q + first * d, now, lanes);
      for (std::uint32_t r = 0; r < now; ++r) {
        float* out = logits + (first + r) * kUnitsOfLeaf * count + kUnitsOfLeaf * n;
        out[0] = largest_of_four(lanes[r]);
        out[1] = largest_of_four(lanes[r] + kSecond);
        if (!is_pair) continue;
        out[2] = largest_of_four(lanes[r] + kMeanLanes);
        out[3] = largest_of_four(lanes[r] + kMeanLanes + kSecond);
      }
    }
  }
}

}  // namespace
}  // namespace longshore::retrieval
