// What append stores and decode gives back, for each type.

#include "runtime/kv/kv_codec.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/base/thread_pool.h"
#include "runtime/tensor/buffer.h"

namespace longshore::kv {
namespace {

const KvLayout kLayouts[] = {{Dtype::kF32, 16},  {Dtype::kF16, 80},  {Dtype::kF16, 128}, {Dtype::kBF16, 48},
                             {Dtype::kQ8_0, 32}, {Dtype::kQ8_0, 96}, {Dtype::kQ8_0, 256}};

class KvCodecTest : public testing::Test {
 protected:
  void SetUp() override { set_float_environment(); }
};

struct Rows {
  Rows(std::uint32_t count, std::uint32_t d, std::uint64_t seed) : k(count * d), v(count * d), stride(d) {
    Random random(seed);
    for (float& x : k) x = static_cast<float>(random.uniform() * 8 - 4);
    for (float& x : v)
      x = static_cast<float>(random.uniform() * 2 - 1) * std::exp2(static_cast<float>(random.below(20)) - 15);
  }
  KvRows k_from(std::uint32_t row) const { return {k.data() + row * stride, stride}; }
  KvRows v_from(std::uint32_t row) const { return {v.data() + row * stride, stride}; }

  std::vector<float> k, v;
  std::size_t stride;
};

float stored(Dtype type, const float* row, std::uint32_t i) {
  switch (type) {
    case Dtype::kF32:
      return row[i];
    case Dtype::kF16:
      return f16_to_f32(f32_to_f16_saturated(row[i]));
    case Dtype::kBF16:
      return bf16_to_f32(f32_to_bf16(row[i]));
    case Dtype::kQ8_0: {
      float largest = 0;
      for (std::uint32_t n = i / 32 * 32; n < i / 32 * 32 + 32; ++n)
        largest = std::max(largest, std::fabs(row[n]));
      const float scale = f16_to_f32(f32_to_f16_saturated(largest / 127));
      return std::clamp(std::nearbyint(row[i] / scale), -127.0f, 127.0f) * scale;
    }
  }
  return 0;
}

TEST_F(KvCodecTest, DecodesToTheRoundedFloats) {
  for (const KvLayout& layout : kLayouts) {
    ASSERT_TRUE(layout.validate());
    const Rows rows(128, layout.d, 1);
    Buffer block = Buffer::allocate(layout.block_bytes()).value();
    ASSERT_TRUE(append(layout, block.data(), 0, 128, rows.k_from(0), rows.v_from(0)));
    std::vector<float> k(layout.d), v(layout.d);
    for (std::uint32_t slot = 0; slot < 128; ++slot) {
      decode(layout, block.data(), slot, k.data(), v.data());
      for (std::uint32_t i = 0; i < layout.d; ++i) {
        ASSERT_EQ(k[i], stored(layout.type, &rows.k[slot * layout.d], i)) << slot << " " << i;
        ASSERT_EQ(v[i], stored(layout.type, &rows.v[slot * layout.d], i)) << slot << " " << i;
      }
    }
  }
}

TEST_F(KvCodecTest, AnySplitIntoCallsGivesTheSameBytes) {
  for (const KvLayout& layout : kLayouts) {
    const Rows rows(128, layout.d, 2);
    Buffer whole = Buffer::allocate(layout.block_bytes()).value();
    Buffer parts = Buffer::allocate(layout.block_bytes()).value();
    ASSERT_TRUE(append(layout, whole.data(), 0, 128, rows.k_from(0), rows.v_from(0)));
    for (std::uint32_t slot = 0; slot < 128;) {
      const std::uint32_t count = std::min(128 - slot, slot % 5 + 1);
      ASSERT_TRUE(append(layout, parts.data(), slot, count, rows.k_from(slot), rows.v_from(slot)));
      slot += count;
    }
    EXPECT_EQ(std::memcmp(whole.data(), parts.data(), whole.size()), 0);
  }
}

// The picture in the header, byte by byte.
TEST_F(KvCodecTest, LiesWhereTheLayoutSays) {
  const KvLayout f16{Dtype::kF16, 32};
  EXPECT_EQ(f16.block_bytes(), 2u * 128 * 32 * 2);
  const KvLayout q8{Dtype::kQ8_0, 64};
  EXPECT_EQ(q8.k_bytes(), 128u * 64 + 128 * 2 * 2);
  const Rows rows(1, 64, 3);
  Buffer block = Buffer::allocate(q8.block_bytes()).value();
  ASSERT_TRUE(append(f16, block.data(), 37, 1, rows.k_from(0), rows.v_from(0)));
  std::uint16_t half = 0;
  std::memcpy(&half, block.data() + 2 * ((37 / 16) * 32 * 16 + 7 * 16 + 37 % 16), 2);
  EXPECT_EQ(half, f32_to_f16_saturated(rows.k[7]));
  std::memcpy(&half, block.data() + f16.v_offset() + 2 * (37 * 32 + 9), 2);
  EXPECT_EQ(half, f32_to_f16_saturated(rows.v[9]));

  ASSERT_TRUE(append(q8, block.data(), 37, 1, rows.k_from(0), rows.v_from(0)));
  const std::size_t group = 2 * (2 * 16 * 2 + 64 * 16);  // two groups before the one of key 37
  std::memcpy(&half, block.data() + group + 2 * (1 * 16 + 5), 2);
  const float scale = f16_to_f32(half);
  const int byte = static_cast<int>(block.data()[group + 2 * 16 * 2 + 40 * 16 + 5]) - 128;
  EXPECT_EQ(static_cast<float>(byte) * scale, stored(Dtype::kQ8_0, rows.k.data(), 40));
  std::memcpy(&half, block.data() + q8.v_offset() + 2 * (37 * 2 + 1), 2);
  const int value = static_cast<int>(block.data()[q8.v_offset() + 128 * 2 * 2 + 37 * 64 + 50]) - 128;
  EXPECT_EQ(static_cast<float>(value) * f16_to_f32(half), stored(Dtype::kQ8_0, rows.v.data(), 50));
}

TEST_F(KvCodecTest, LargeAndTinyValuesStayFinite) {
  const float sizes[] = {3.4e38f, 1e9f, 65520.0f, 1e-4f, 1e-7f, 1e-30f, 1e-42f, 0.0f};
  for (Dtype type : {Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kQ8_0}) {
    const KvLayout layout{type, 32};
    Buffer block = Buffer::allocate(layout.block_bytes()).value();
    for (float size : sizes) {
      std::vector<float> x(32, size), k(32), v(32);
      x[1] = -size;
      ASSERT_TRUE(append(layout, block.data(), 0, 1, {x.data(), 32}, {x.data(), 32}));
      decode(layout, block.data(), 0, k.data(), v.data());
      for (float value : k) EXPECT_TRUE(std::isfinite(value)) << to_string(type) << " " << size;
      EXPECT_EQ(k, v);
      EXPECT_EQ(k[0], -k[1]);
    }
  }
}

TEST_F(KvCodecTest, HalvesRoundToEven) {
  const KvLayout layout{Dtype::kQ8_0, 32};
  std::vector<float> x(32, 0.0f), k(32), v(32);
  x = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f};
  x.resize(32);
  Buffer block = Buffer::allocate(layout.block_bytes()).value();
  ASSERT_TRUE(append(layout, block.data(), 0, 1, {x.data(), 32}, {x.data(), 32}));
  decode(layout, block.data(), 0, k.data(), v.data());
  k.resize(7);
  EXPECT_EQ(k, (std::vector<float>{127.0f, 0.0f, 2.0f, 2.0f, 0.0f, -2.0f, -2.0f}));
}

TEST_F(KvCodecTest, RefusesWhatIsNotFiniteAndWritesNothing) {
  const KvLayout layout{Dtype::kF16, 16};
  Buffer block = Buffer::allocate(layout.block_bytes()).value();
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Rows rows(3, 16, 4);
    rows.v[2 * 16 + 5] = bad;
    const auto refused = append(layout, block.data(), 10, 3, rows.k_from(0), rows.v_from(0));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_FALSE(append(layout, block.data(), 10, 3, rows.v_from(0), rows.k_from(0)));
  }
  for (std::byte byte : block.bytes()) ASSERT_EQ(byte, std::byte{0});
}

TEST(KvLayoutTest, RefusesHeadDimensionsWithoutALayout) {
  EXPECT_FALSE((KvLayout{Dtype::kF16, 0}).validate());
  EXPECT_FALSE((KvLayout{Dtype::kF16, 24}).validate());
  EXPECT_FALSE((KvLayout{Dtype::kQ8_0, 80}).validate());
  EXPECT_FALSE((KvLayout{Dtype::kF32, 2048}).validate());
  EXPECT_TRUE((KvLayout{Dtype::kF16, 80}).validate());
}

}  // namespace
}  // namespace longshore::kv
