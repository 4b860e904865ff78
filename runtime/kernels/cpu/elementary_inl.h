#pragma once

// The float functions of runtime/kernels/elementary.h on sixteen lanes, with the same bits. Include one lanes header
// first; internal linkage, as everything there.

#include <cstddef>

#include "runtime/kernels/cpu/unrolled_inl.h"
#include "runtime/kernels/exp_constants.h"

namespace longshore::kernels {
namespace {

// e^x for x <= 0, +0 where !(x >= -87), of kCount vectors step by step together: one chain alone is mostly latency.
template <unsigned kCount>
[[maybe_unused]] inline void exp_nonpositive(F32x16 (&x)[kCount]) {
  using namespace exp_constants;
  F32x16 shifted[kCount], n[kCount], r[kCount], p[kCount];
  unrolled<kCount>([&](auto i) { shifted[i] = fma(x[i], broadcast(kLog2E), broadcast(kRoundShift)); });
  unrolled<kCount>([&](auto i) { n[i] = sub(shifted[i], broadcast(kRoundShift)); });
  unrolled<kCount>([&](auto i) { r[i] = fma(n[i], broadcast(-kLn2High), x[i]); });
  unrolled<kCount>([&](auto i) { r[i] = fma(n[i], broadcast(kLn2LowNegated), r[i]); });
  unrolled<kCount>([&](auto i) { p[i] = fma(broadcast(kC6), r[i], broadcast(kC5)); });
  unrolled<kCount>([&](auto i) { p[i] = fma(p[i], r[i], broadcast(kC4)); });
  unrolled<kCount>([&](auto i) { p[i] = fma(p[i], r[i], broadcast(kC3)); });
  unrolled<kCount>([&](auto i) { p[i] = fma(p[i], r[i], broadcast(kC2)); });
  unrolled<kCount>([&](auto i) { p[i] = fma(p[i], r[i], broadcast(1.0f)); });
  unrolled<kCount>([&](auto i) { p[i] = fma(p[i], r[i], broadcast(1.0f)); });
  unrolled<kCount>([&](auto i) {
    const F32x16 scaled = from_bits(add(bits_of(p[i]), shift_left<23>(bits_of(shifted[i]))));
    x[i] = select_or_zero(less_equal(broadcast(kLowest), x[i]), scaled);
  });
}

[[maybe_unused]] inline F32x16 exp_nonpositive(F32x16 x) {
  F32x16 one[1] = {x};
  exp_nonpositive(one);
  return one[0];
}

// Of n values; out may be x.
[[maybe_unused]] void exp_values(const float* x, float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, exp_nonpositive(load(x + i)));
  float rest[kLanes] = {};
  for (std::size_t l = 0; i + l < n; ++l) rest[l] = x[i + l];
  store(rest, exp_nonpositive(load(rest)));
  for (std::size_t l = 0; i + l < n; ++l) out[i + l] = rest[l];
}

[[maybe_unused]] inline F32x16 sigmoid(F32x16 x) {
  const F32x16 one = broadcast(1.0f);
  const F32x16 e = exp_nonpositive(sub(zero(), abs(x)));
  return div(select(less(x, zero()), e, one), add(one, e));
}

[[maybe_unused]] inline F32x16 tanh(F32x16 x) {
  using namespace tanh_constants;
  const F32x16 one = broadcast(1.0f);
  const F32x16 size = abs(x);
  const F32x16 e = exp_nonpositive(mul(broadcast(-2.0f), size));
  const F32x16 far = sub(one, div(add(e, e), add(one, e)));
  const F32x16 z = mul(size, size);
  F32x16 p = broadcast(kC4);
  p = fma(p, z, broadcast(kC3));
  p = fma(p, z, broadcast(kC2));
  p = fma(p, z, broadcast(kC1));
  p = fma(p, z, broadcast(kC0));
  const F32x16 near = fma(mul(p, z), size, size);
  return copy_sign(select(less(size, broadcast(kNear)), near, far), x);
}

[[maybe_unused]] inline F32x16 silu(F32x16 x) { return mul(x, sigmoid(x)); }

[[maybe_unused]] inline F32x16 gelu_tanh(F32x16 x) {
  using namespace gelu_constants;
  const F32x16 inner = fma(mul(broadcast(kCubic), x), mul(x, x), x);
  return mul(x, sigmoid(mul(broadcast(kTwiceSqrt2OverPi), inner)));
}

}  // namespace
}  // namespace longshore::kernels
