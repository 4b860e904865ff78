#pragma once

// Applies every function of the lanes header that was included to the same inputs and lists the results'
// bits.

#include <initializer_list>

#include "tests/kernels/attention/lanes_probe.h"

namespace longshore::kernels {
namespace {

struct ProbeOutput {
  std::uint32_t* to;
  void put(F32x16 a) {
    float lanes[kLanes];
    store(lanes, a);
    for (float lane : lanes) *to++ = __builtin_bit_cast(std::uint32_t, lane);
  }
  void put(I32x16 a) { put(from_bits(a)); }
  void put(Mask16 a) { put(select(a, broadcast(1.0f), broadcast(2.0f))); }
  void put(float a) { *to++ = __builtin_bit_cast(std::uint32_t, a); }
  void put(const std::uint16_t* sixteen) {
    for (unsigned l = 0; l < kLanes; ++l) *to++ = sixteen[l];
  }
};

std::uint32_t* probe(const LanesInput& in, std::uint32_t* to) {
  ProbeOutput out{to};
  const F32x16 a = load(in.a), b = load(in.b), c = load(in.c);
  for (F32x16 x :
       {add(a, b), sub(a, b), mul(a, b), div(a, b), sqrt(abs(a)), fma(a, b, c), max(a, b), min(a, b), abs(a),
        copy_sign(a, b), zero(), broadcast(in.a[3]), broadcast_f16(in.halves[5])})
    out.put(x);
  for (F32x16 x : {load_f16(in.halves), load_f16_halves(in.halves + 8, in.halves), load_bf16(in.halves), lift_u8(in.bytes)})
    out.put(x);
  std::uint16_t narrow[kLanes];
  store_f16(narrow, a);
  out.put(narrow);
  store_bf16(narrow, a);
  out.put(narrow);
  for (Mask16 m : {less(a, b), less_equal(a, b), equal(a, c), lanes_between(3, 9), lanes_between(-5, 40),
                   lanes_between(9, 3), lanes_between(16, 20), lanes_between(-9, 0)})
    out.put(m);
  out.put(select_or_zero(less(a, b), a));
  const I32x16 x = bits_of(a), y = bits_of(b);
  for (I32x16 i : {add(x, y), bit_and(x, y), bit_or(x, y), bit_xor(x, y), shift_left<7>(x), shift_right<7>(x),
                   broadcast_i32(-5)})
    out.put(i);
  out.put(to_f32(x));
  out.put(round_to_i32(load(in.small)));
  out.put(reduce_add(a));
  out.put(reduce_max(a));
  out.put(fma(in.a[0], in.b[0], in.c[0]));
  return out.to;
}

}  // namespace
}  // namespace longshore::kernels
