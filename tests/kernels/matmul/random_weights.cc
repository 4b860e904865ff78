#include "tests/kernels/matmul/random_weights.h"

#include <bit>
#include <cstring>

#include "runtime/base/random.h"
#include "runtime/tensor/dtype.h"

namespace longshore::kernels {
namespace {

// Where a block has f16 scales.
std::vector<std::size_t> scale_offsets(WeightFormat format) {
  switch (format) {
    case WeightFormat::kQ8_0:
    case WeightFormat::kQ4_0:
    case WeightFormat::kQ5_0: return {0};
    case WeightFormat::kQ4_1:
    case WeightFormat::kQ5_1:
    case WeightFormat::kQ4_K:
    case WeightFormat::kQ5_K: return {0, 2};
    case WeightFormat::kQ2_K: return {80, 82};
    case WeightFormat::kQ3_K: return {108};
    case WeightFormat::kQ6_K: return {208};
    default: return {};
  }
}

void put_u16(std::byte* to, std::uint16_t bits) { std::memcpy(to, &bits, sizeof bits); }

float normal_like(Random& random) {
  return static_cast<float>(random.uniform() + random.uniform() + random.uniform() - 1.5);
}

void float_weight(WeightFormat format, Random& random, Weights kind, std::byte* to) {
  const float value = kind == Weights::kSubnormal ? normal_like(random) * 0x1p-130f : normal_like(random) * 0.1f;
  if (format == WeightFormat::kF32) std::memcpy(to, &value, sizeof value);
  if (format == WeightFormat::kF16) put_u16(to, f32_to_f16_saturated(value * (kind == Weights::kSubnormal ? 0x1p110f : 1)));
  if (format == WeightFormat::kBF16) put_u16(to, f32_to_bf16(value));
}

}  // namespace

std::vector<std::byte> random_weights(WeightFormat format, std::size_t outputs, std::size_t inputs,
                                      std::uint64_t seed, Weights kind) {
  Random random(seed);
  const std::size_t size = block_bytes(format);
  std::vector<std::byte> bytes(outputs * inputs / block_elements(format) * size);
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    std::byte* const block = bytes.data() + at;
    if (is_float(format)) {
      float_weight(format, random, kind, block);
      continue;
    }
    for (std::size_t i = 0; i < size; ++i)
      block[i] = static_cast<std::byte>(kind == Weights::kAllBitsSet    ? 255
                                        : kind == Weights::kAllBitsZero ? 0
                                                                        : random.below(256));
    for (std::size_t offset : scale_offsets(format)) {
      const std::uint16_t sign = random.below(2) != 0 ? 0x8000 : 0;
      const std::uint16_t bits = kind == Weights::kSubnormal ? static_cast<std::uint16_t>(random.below(1024))
                                                             : f32_to_f16_saturated(static_cast<float>(random.uniform()) * 0.02f);
      put_u16(block + offset, bits | sign);
    }
  }
  return bytes;
}

std::vector<float> random_activations(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(rows * columns);
  for (float& value : values) value = normal_like(random) * (random.below(100) == 0 ? 40.0f : 1.0f);
  return values;
}

std::unique_ptr<ThreadPool> pool_of(unsigned threads) {
  auto pool = ThreadPool::create(threads);
  EXPECT_TRUE(pool.has_value());
  return std::move(*pool);
}

PackedMatrix packed(WeightFormat format, std::size_t outputs, std::size_t inputs,
                    const std::vector<std::byte>& bytes) {
  auto matrix = PackedMatrix::pack(format, outputs, inputs, bytes, *pool_of(1));
  EXPECT_TRUE(matrix.has_value()) << matrix.error().message;
  return std::move(*matrix);
}

std::string format_name(const testing::TestParamInfo<WeightFormat>& info) { return std::string(to_string(info.param)); }

std::vector<Isa> supported_isas() {
  std::vector<Isa> result;
  for (Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512})
    if (is_supported(isa)) result.push_back(isa);
  return result;
}

}  // namespace longshore::kernels
