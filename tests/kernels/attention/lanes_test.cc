// The lanes headers: the same bits on every instruction set, for ordinary floats and for the ends of the
// range.

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kernels/isa.h"
#include "runtime/tensor/dtype.h"
#include "tests/kernels/attention/lanes_probe.h"

namespace longshore::kernels {
namespace {

// Any bits but NaN, whose payload is not promised; a third of them near f16's range and its subnormals.
float any_float(Random& random) {
  const std::uint32_t bits = static_cast<std::uint32_t>(random());
  const float x = std::bit_cast<float>(bits);
  if (random.below(3) == 0)
    return std::ldexp(1.0f + static_cast<float>(random.uniform()), static_cast<int>(random.below(48)) - 30);
  if (random.below(16) == 0) return random.below(2) ? 0.0f : -0.0f;
  return std::isnan(x) ? 1.5f : x;
}

LanesInput random_input(std::uint64_t seed) {
  Random random(seed);
  LanesInput in{};
  for (unsigned l = 0; l < 16; ++l) {
    in.a[l] = any_float(random);
    in.b[l] = any_float(random);
    in.c[l] = random.below(4) == 0 ? in.a[l] : any_float(random);
    in.small[l] = static_cast<float>((random.uniform() - 0.5) * (random.below(2) ? 100 : 8e6));
    if (random.below(4) == 0) in.small[l] = std::floor(in.small[l]) + 0.5f;
    if (std::fabs(in.small[l]) >= 0x1p22f) in.small[l] = 2.5f;
    in.halves[l] = static_cast<std::uint16_t>(random());
    if ((in.halves[l] & 0x7c00u) == 0x7c00u)
      in.halves[l] &= 0x83ffu;  // no f16 NaN; as bf16 still anything but
    if ((in.halves[l] & 0x7f80u) == 0x7f80u) in.halves[l] = 0x3c01u;
    in.bytes[l] = static_cast<std::uint8_t>(random());
  }
  return in;
}

// Results that are NaN (inf - inf and the like) are compared as such: their bits are not promised.
std::vector<std::uint32_t> words(std::uint32_t* (*probe)(const LanesInput&, std::uint32_t*),
                                 const LanesInput& in) {
  std::vector<std::uint32_t> out(kProbeWordsMax);
  out.resize(probe(in, out.data()) - out.data());
  for (std::uint32_t& word : out)
    if ((word & 0x7fffffffu) > 0x7f800000u) word = 0x7fc00000u;
  return out;
}

TEST(LanesTest, GiveTheSameBitsOnEveryInstructionSet) {
  set_float_environment();
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    const LanesInput in = random_input(seed);
    const std::vector<std::uint32_t> expected = words(probe_lanes_portable, in);
    if (is_supported(Isa::kAvx2)) {
      ASSERT_EQ(expected, words(probe_lanes_avx2, in)) << "seed " << seed;
    }
    if (is_supported(Isa::kAvx512)) {
      ASSERT_EQ(expected, words(probe_lanes_avx512, in)) << "seed " << seed;
    }
  }
}

// The conversions of dtype.h are what the KV store is written with; the lanes read it.
TEST(LanesTest, ConvertAsDtypeDoes) {
  set_float_environment();
  constexpr unsigned kHalvesAt = 13 * 16;  // after the thirteen results of floats
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const LanesInput in = random_input(seed);
    std::vector<std::uint32_t> out(kProbeWordsMax);
    probe_lanes_portable(in, out.data());
    for (unsigned l = 0; l < 16; ++l) {
      EXPECT_EQ(out[kHalvesAt + l], std::bit_cast<std::uint32_t>(f16_to_f32(in.halves[l])));
      EXPECT_EQ(out[kHalvesAt + 16 + l], std::bit_cast<std::uint32_t>(f16_to_f32(in.halves[(l + 8) % 16])));
      EXPECT_EQ(out[kHalvesAt + 32 + l], std::bit_cast<std::uint32_t>(bf16_to_f32(in.halves[l])));
      EXPECT_EQ(out[kHalvesAt + 64 + l], f32_to_f16_saturated(in.a[l])) << in.a[l];
      EXPECT_EQ(out[kHalvesAt + 80 + l], f32_to_bf16(in.a[l])) << in.a[l];
    }
  }
}

}  // namespace
}  // namespace longshore::kernels
