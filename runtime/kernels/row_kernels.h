#pragma once

#include <cstddef>
#include <string_view>

namespace longshore::kernels {

// The operations on one row of activations. Every instance (portable, AVX2, AVX-512) gives the same bits: elements are
// computed alone, and sums run in 16 virtual lanes in one final order (docs/determinism.md). Products and sums are
// rounded one by one except where `fma` is written. All pointers are f32, unaligned; n >= 1. `out` may equal an input,
// and must not overlap one otherwise. Inputs are finite. Thread: pure functions.
struct RowKernels {
  std::string_view name;

  // out[i] = (x[i] * s) * weight[i], s = 1 / sqrt(sum / n + epsilon), each operation rounded.
  // sum: lane l = i mod 16 takes w[l] = fma(x[i], x[i], w[l]) in order of i from +0, then w[l] += w[l+8], +4, +2, +1.
  // Source: Zhang & Sennrich 2019, RMSNorm.
  void (*rms_norm)(const float* x, const float* weight, float* out, std::size_t n, float epsilon);

  // Turns the first `rotated` elements of one head in place, `cos` and `sin` are [rotated / 2] of this position:
  // a' = fma(a, cos, -(b * sin)), b' = fma(b, cos, a * sin) for the pairs a, b = x[2i], x[2i+1] (norm) or
  // x[i], x[i + rotated/2] (neox). Source: Su et al. 2021, RoPE.
  void (*rope_norm)(float* x, const float* cos, const float* sin, std::size_t rotated);
  void (*rope_neox)(float* x, const float* cos, const float* sin, std::size_t rotated);

  // out[i] = silu(gate[i]) * up[i]; silu and gelu_tanh are those of elementary.h. Source: Shazeer 2020, GLU variants.
  void (*silu_mul)(const float* gate, const float* up, float* out, std::size_t n);
  void (*gelu_tanh_mul)(const float* gate, const float* up, float* out, std::size_t n);

  void (*add)(const float* a, const float* b, float* out, std::size_t n);      // out = a + b
  void (*scale)(const float* x, float factor, float* out, std::size_t n);      // out = x * factor
  void (*softcap)(const float* x, float cap, float* out, std::size_t n);       // out = cap * tanh(x / cap), cap > 0

  // For softmax: the largest element, and out[i] = exp((x[i] - max) / temperature) by exp_nonpositive. Here x may hold
  // -inf (which gives +0); NaN is outside the contract. maximum gives +0 for a largest element of -0.
  float (*maximum)(const float* x, std::size_t n);
  void (*exp_below)(const float* x, float max, float temperature, float* out, std::size_t n);
};

extern const RowKernels kRowKernelsPortable;
extern const RowKernels kRowKernelsAvx2;    // needs AVX2, FMA, F16C
extern const RowKernels kRowKernelsAvx512;  // needs AVX-512 F, BW, DQ, VL, VNNI

}  // namespace longshore::kernels
