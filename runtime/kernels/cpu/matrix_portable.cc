// The matrix kernels in plain C++: the arithmetic order of tile_layout.h spelled out, one output at a time.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/kernels/cpu/matrix_kernel_tables.h"
#include "runtime/kernels/numerics_version.h"
#include "runtime/kernels/tile_layout.h"
#include "runtime/kernels/weight_block.h"
#include "runtime/tensor/dtype.h"

namespace longshore::kernels {
namespace {

// Rows computed for one reading of the tile; their accumulators fill 8 KiB.
constexpr std::size_t kRowsAtOnce = 64;

// Nearest even for |value| < 2^22, whatever the library's nearbyint costs.
int round_half_even(float value) {
  constexpr float kMagic = 0x1.8p23f;
  return static_cast<int>(std::bit_cast<std::uint32_t>(value + kMagic) - std::bit_cast<std::uint32_t>(kMagic));
}

void quantize_group(const float* x, ActivationRun& run, std::size_t g) {
  std::uint32_t amax_bits = 0;  // as integers, magnitudes order like floats, with infinity and NaN on top
  for (std::size_t i = 0; i < kGroup; ++i)
    amax_bits = std::max(amax_bits, std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffu);
  const float amax = std::bit_cast<float>(amax_bits);
  const bool finite = amax_bits < 0x7f800000u;
  std::int8_t* const code = run.code + kGroup * g;
  if (!finite || amax < kSmallestAmax) {
    std::memset(code, 0, kGroup);
    run.scale[g] = finite ? 0.0f : std::numeric_limits<float>::quiet_NaN();
    run.sum[g] = 0;
    run.negative_sum[g] = run.negative_half_sum[2 * g] = run.negative_half_sum[2 * g + 1] = 0;
    return;
  }
  run.scale[g] = amax / static_cast<float>(kActivationMax);
  const float inverse = static_cast<float>(kActivationMax) / amax;
  int half_sum[2] = {0, 0};
  for (std::size_t i = 0; i < kGroup; ++i) {
    const int a = std::clamp(round_half_even(x[i] * inverse), -kActivationMax, kActivationMax);
    code[i] = static_cast<std::int8_t>(a);
    half_sum[i / 16] += a;
  }
  const int sum = half_sum[0] + half_sum[1];
  run.sum[g] = static_cast<float>(sum);
  run.negative_sum[g] = -sum;
  run.negative_half_sum[2 * g] = -half_sum[0];
  run.negative_half_sum[2 * g + 1] = -half_sum[1];
}

void quantize_row(const float* x, std::size_t columns, ActivationRun* first, std::size_t stride) {
  for (std::size_t k = 0; k < columns; k += kRun, first += stride) {
    const std::size_t groups = std::min(kRun, columns - k) / kGroup;
    if (groups < 8) std::memset(static_cast<void*>(first), 0, sizeof *first);
    for (std::size_t g = 0; g < groups; ++g) quantize_group(x + k + kGroup * g, *first, g);
  }
}

int dot(const std::int8_t* a, const std::int16_t* w, std::size_t count) {
  int sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += a[i] * w[i];
  return sum;
}

// One group of 32 k of one output. `w` are its codes without offset, i the group's index in the block's scales.
template <Arithmetic kArithmetic>
float add_group(float acc, const ActivationRun& run, std::size_t g, const std::int16_t* w, const BlockScales& scales,
                std::size_t i) {
  const std::int8_t* const a = run.code + kGroup * g;
  float t;
  if constexpr (kArithmetic == Arithmetic::kScale || kArithmetic == Arithmetic::kMinimum) {
    t = static_cast<float>(dot(a, w, 32)) * scales.scale[i];
    if constexpr (kArithmetic == Arithmetic::kMinimum) t = std::fma(scales.minimum[i], run.sum[g], t);
  } else {
    t = static_cast<float>(dot(a, w, 16)) * scales.scale[2 * i];
    t = std::fma(static_cast<float>(dot(a + 16, w + 16, 16)), scales.scale[2 * i + 1], t);
    if constexpr (kArithmetic == Arithmetic::kTwoMinima)
      for (std::size_t half = 0; half < 2; ++half)
        t = std::fma(scales.minimum[2 * i + half], static_cast<float>(run.negative_half_sum[2 * g + half]), t);
  }
  return std::fma(t, run.scale[g], acc);
}

// Column `column` of a tile, for the rows [first_row, first_row + count): acc[m] of each.
template <WeightFormat kFormat>
void multiply_column(const TileProduct& p, const std::byte* tile, std::size_t column, std::size_t first_row,
                     std::size_t count, float* acc) {
  constexpr TileLayout kLayout = tile_layout(kFormat);
  constexpr int kOffset = kLayout.offset_bits < 0 ? 0 : 1 << kLayout.offset_bits;
  WeightBlock block;
  std::int16_t w[kRun];
  std::fill_n(acc, count, 0.0f);
  for (std::size_t group = 0; group < p.groups; group += kLayout.groups(), tile += kLayout.block_bytes()) {
    load_tile_block(kFormat, tile, column, block);
    const BlockScales scales = block_scales(kFormat, block);
    for (std::size_t i = 0; i < kLayout.block_elements; ++i) w[i] = static_cast<std::int16_t>(block.code[i] - kOffset);
    for (std::size_t i = 0; i < kLayout.groups(); ++i) {
      const ActivationRun* const runs = p.runs + (group + i) / 8 * p.rows + first_row;
      for (std::size_t m = 0; m < count; ++m)
        acc[m] = add_group<kLayout.arithmetic>(acc[m], runs[m], (group + i) % 8, w + kGroup * i, scales, i);
    }
  }
}

template <WeightFormat kFormat>
void multiply_float_column(const TileProduct& p, const std::byte* tile, std::size_t column, std::size_t first_row,
                           std::size_t count, float* acc) {
  std::fill_n(acc, count, 0.0f);
  for (std::size_t k = 0; k < kGroup * p.groups; ++k) {
    const std::byte* const at = tile + (k * kTileColumns + column) * block_bytes(kFormat);
    float w;
    std::uint16_t bits;
    if constexpr (kFormat == WeightFormat::kF32) {
      std::memcpy(&w, at, sizeof w);
    } else {
      std::memcpy(&bits, at, sizeof bits);
      w = kFormat == WeightFormat::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
    }
    for (std::size_t m = 0; m < count; ++m) acc[m] = std::fma(w, p.values[(first_row + m) * p.values_ld + k], acc[m]);
  }
}

template <WeightFormat kFormat>
void multiply(const TileProduct& p) {
  float acc[kRowsAtOnce];
  for (std::size_t n = 0; n < p.columns; ++n) {
    const std::byte* const tile = p.tiles + n / kTileColumns * p.tile_bytes;
    for (std::size_t m = 0; m < p.rows; m += kRowsAtOnce) {
      const std::size_t count = std::min(kRowsAtOnce, p.rows - m);
      if constexpr (is_float(kFormat))
        multiply_float_column<kFormat>(p, tile, n % kTileColumns, m, count, acc);
      else
        multiply_column<kFormat>(p, tile, n % kTileColumns, m, count, acc);
      for (std::size_t i = 0; i < count; ++i) p.out[(m + i) * p.out_ld + n] = acc[i];
    }
  }
}

template <std::size_t... kIndex>
constexpr auto multiply_table(std::index_sequence<kIndex...>) {
  return std::array<MatrixKernels::Multiply, sizeof...(kIndex)>{multiply<static_cast<WeightFormat>(kIndex)>...};
}

}  // namespace

constexpr MatrixKernels kMatrixKernelsPortable{Isa::kPortable, quantize_row,
                                               multiply_table(std::make_index_sequence<std::size(kWeightFormats)>())};

}  // namespace longshore::kernels
