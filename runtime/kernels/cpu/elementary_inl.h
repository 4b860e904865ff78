#pragma once

// The float functions of runtime/kernels/elementary.h on sixteen lanes, with the same bits. Include one lanes header
// first; internal linkage, as everything there.

#include "runtime/kernels/exp_constants.h"

namespace longshore::kernels {
namespace {

// e^x for x <= 0, +0 where !(x >= -87).
[[maybe_unused]] inline F32x16 exp_nonpositive(F32x16 x) {
  using namespace exp_constants;
  const F32x16 shifted = fma(x, broadcast(kLog2E), broadcast(kRoundShift));
  const F32x16 n = sub(shifted, broadcast(kRoundShift));
  F32x16 r = fma(n, broadcast(-kLn2High), x);
  r = fma(n, broadcast(kLn2LowNegated), r);
  F32x16 p = broadcast(kC6);
  p = fma(p, r, broadcast(kC5));
  p = fma(p, r, broadcast(kC4));
  p = fma(p, r, broadcast(kC3));
  p = fma(p, r, broadcast(kC2));
  p = fma(p, r, broadcast(1.0f));
  p = fma(p, r, broadcast(1.0f));
  const F32x16 scaled = from_bits(add(bits_of(p), shift_left<23>(bits_of(shifted))));
  return select_or_zero(less_equal(broadcast(kLowest), x), scaled);
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
