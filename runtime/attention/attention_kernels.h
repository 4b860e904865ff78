#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/attention/partial.h"
#include "runtime/kernels/isa.h"
#include "runtime/tensor/dtype.h"

namespace longshore::attention {

// The positions [begin, end) of one leaf that a row may see; begin >= end: none.
struct KeyRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// One leaf of one KV head against R rows.
struct LeafTask {
  Dtype type = Dtype::kF16;
  std::uint32_t d = 0;
  std::uint32_t rows = 0;                 // R, at most kRowsMax
  const float* q = nullptr;               // [R, d], already multiplied by the softmax scale
  const KeyRange* visible = nullptr;      // [R], within what was appended to the block
  float softcap = 0;                      // logits become softcap * tanh(logit / softcap); 0: they stay
  const std::byte* block = nullptr;       // KvLayout{type, d}
  const std::byte* next_block = nullptr;  // what will be read after it, to be prefetched; may be null
};

inline constexpr std::uint32_t kRowsMax =
    192;  // measured best: half of it repeats the widening of K and V too often

// Floats of scratch that attend_leaf needs: one panel of K or V widened, at most 64 wide, and the logits.
constexpr std::size_t scratch_floats(std::uint32_t d) {
  return std::size_t{64} * (d > 128 ? d : 128) + std::size_t{kRowsMax} * 128;
}

// One table per instruction set, equal bit for bit (docs/determinism.md has the order of every operation). A
// row's result depends on that row alone: not on R, nor on which rows share the call. Requires of all:
// pointers aligned to 4 bytes; the thread runs under set_float_environment().
struct AttentionKernels {
  std::string_view name;

  // The partial of one leaf. About 4 * R * d * 128 flops on 2 * 128 * d elements read. `out` [R] overlaps no
  // input; scratch: scratch_floats(d) floats, 64-byte aligned. Every row of `out` is written, rows that see
  // no key as the identity with sum 0 and max -inf.
  void (*attend_leaf)(const LeafTask& task, PartialSpan out, float* scratch);

  // out = a + b for R rows; out may be a or b. Where one weight is 0, the other side unchanged, else with
  // `big` the side of the larger max, e = exp(max_small - max_big): sum = fma(e, small, big), and so the
  // weight.
  void (*merge)(std::uint32_t rows, std::uint32_t d, PartialSpan out, PartialView a, PartialView b);

  // out[c] = sum[c] / weight for one row, by true division; zeros for a row that saw no key.
  void (*normalise)(std::uint32_t d, const float* sum, float weight, float* out);

  // exp(x) for n values x <= 0: what the kernels use, exposed to be tested over every float.
  void (*exp_nonpositive)(const float* x, float* out, std::size_t n);
};

extern const AttentionKernels kAttentionKernelsPortable;
extern const AttentionKernels kAttentionKernelsAvx2;    // needs AVX2, FMA, F16C
extern const AttentionKernels kAttentionKernelsAvx512;  // needs AVX-512 F, BW, DQ, VL

const AttentionKernels& attention_kernels(kernels::Isa isa);

}  // namespace longshore::attention
