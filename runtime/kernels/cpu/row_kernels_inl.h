#pragma once

// The row operations of row_kernels.h over sixteen lanes; included by row_kernels_<isa>.cc after that set's lanes.

#include <cstddef>

#include "runtime/kernels/cpu/elementary_inl.h"
#include "runtime/kernels/row_kernels.h"

namespace longshore::kernels {
namespace {

// The last count < 16 elements of a row; lanes beyond them hold `fill`.
inline F32x16 load_tail(const float* from, std::size_t count, float fill) {
  float lanes[16];
  for (std::size_t l = 0; l < 16; ++l) lanes[l] = l < count ? from[l] : fill;
  return load(lanes);
}

inline void store_tail(float* to, std::size_t count, F32x16 a) {
  float lanes[16];
  store(lanes, a);
  for (std::size_t l = 0; l < count; ++l) to[l] = lanes[l];
}

template <typename Body>
inline void map(const float* x, float* out, std::size_t n, Body body) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, body(load(x + i)));
  if (i < n) store_tail(out + i, n - i, body(load_tail(x + i, n - i, 0.0f)));
}

template <typename Body>
inline void map(const float* a, const float* b, float* out, std::size_t n, Body body) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, body(load(a + i), load(b + i)));
  if (i < n) store_tail(out + i, n - i, body(load_tail(a + i, n - i, 0.0f), load_tail(b + i, n - i, 0.0f)));
}

// The chain of lane l is x[l], x[l+16], ...: one register, though four would be faster, because the order is the result.
inline float sum_of_squares(const float* x, std::size_t n) {
  F32x16 sum = zero();
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const F32x16 part = load(x + i);
    sum = fma(part, part, sum);
  }
  if (i < n) {  // fma(0, 0, w) is w, as w is never -0
    const F32x16 part = load_tail(x + i, n - i, 0.0f);
    sum = fma(part, part, sum);
  }
  return reduce_add(sum);
}

void rms_norm(const float* x, const float* weight, float* out, std::size_t n, float epsilon) {
  const float mean = sum_of_squares(x, n) / static_cast<float>(n);
  const F32x16 s = broadcast(1.0f / __builtin_sqrtf(mean + epsilon));
  map(x, weight, out, n, [s](F32x16 value, F32x16 w) { return mul(mul(value, s), w); });
}

void rope_norm(float* x, const float* cos, const float* sin, std::size_t rotated) {
  for (std::size_t i = 0; i < rotated / 2; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = __builtin_fmaf(a, cos[i], -(b * sin[i]));
    x[2 * i + 1] = __builtin_fmaf(b, cos[i], a * sin[i]);
  }
}

inline F32x16 negate(F32x16 a) { return from_bits(bit_xor(bits_of(a), broadcast_i32(-0x7fffffff - 1))); }

void rope_neox(float* x, const float* cos, const float* sin, std::size_t rotated) {
  const std::size_t half = rotated / 2;
  std::size_t i = 0;
  for (; i + 16 <= half; i += 16) {
    const F32x16 a = load(x + i), b = load(x + half + i), c = load(cos + i), s = load(sin + i);
    store(x + i, fma(a, c, negate(mul(b, s))));
    store(x + half + i, fma(b, c, mul(a, s)));
  }
  for (; i < half; ++i) {
    const float a = x[i], b = x[half + i];
    x[i] = __builtin_fmaf(a, cos[i], -(b * sin[i]));
    x[half + i] = __builtin_fmaf(b, cos[i], a * sin[i]);
  }
}

void silu_mul(const float* gate, const float* up, float* out, std::size_t n) {
  map(gate, up, out, n, [](F32x16 g, F32x16 u) { return mul(silu(g), u); });
}

void gelu_tanh_mul(const float* gate, const float* up, float* out, std::size_t n) {
  map(gate, up, out, n, [](F32x16 g, F32x16 u) { return mul(gelu_tanh(g), u); });
}

void add_rows(const float* a, const float* b, float* out, std::size_t n) {
  map(a, b, out, n, [](F32x16 left, F32x16 right) { return add(left, right); });
}

void scale(const float* x, float factor, float* out, std::size_t n) {
  const F32x16 f = broadcast(factor);
  map(x, out, n, [f](F32x16 value) { return mul(value, f); });
}

void softcap(const float* x, float cap, float* out, std::size_t n) {
  const F32x16 c = broadcast(cap);
  map(x, out, n, [c](F32x16 value) { return mul(c, tanh(div(value, c))); });
}

float maximum(const float* x, std::size_t n) {
  F32x16 largest = broadcast(x[0]);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) largest = max(largest, load(x + i));
  if (i < n) largest = max(largest, load_tail(x + i, n - i, x[0]));
  return reduce_max(largest) + 0.0f;
}

void exp_below(const float* x, float largest, float temperature, float* out, std::size_t n) {
  const F32x16 top = broadcast(largest);
  const F32x16 t = broadcast(temperature);
  map(x, out, n, [top, t](F32x16 value) { return exp_nonpositive(div(sub(value, top), t)); });
}

constexpr RowKernels row_kernels(const char* name) {
  return {name, rms_norm, rope_norm, rope_neox, silu_mul, gelu_tanh_mul, add_rows, scale, softcap, maximum, exp_below};
}

}  // namespace
}  // namespace longshore::kernels
