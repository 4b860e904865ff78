// The matrix kernels of one instruction set, from its vector type V. Included by one source per instruction set; all of it
// has internal linkage there. Three kernels per format, all in the arithmetic order of tile_layout.h:
//   multiply_in_loop  few rows: the tile's codes pass through registers once, for all rows; reading memory decides
//   multiply_panel    many rows: 256 k of a tile are unpacked into L1 once, then all blocks of rows run over them
//   multiply_float    plain floats
// Shapes: M rows of activations, K inputs, tiles of 32 columns.
#pragma once

#include <algorithm>

#include "runtime/kernels/cpu/tile_codes_inl.h"
#include "runtime/kernels/matrix_kernels.h"
#include "runtime/tensor/dtype.h"

namespace longshore::kernels {
namespace {

// The byte stream of the weights is fetched this far ahead, each line once, across the borders of tiles. Nearer is too
// late for memory, from 8 KiB on lines are evicted from L1 before their use.
constexpr std::size_t kPrefetchBytes = 3072;

// Tiles that lie one after another up to `end`, and where reading goes on.
struct WeightStream {
  const std::byte* end;
  const std::byte* next;

  LONGSHORE_INLINE const std::byte* ahead_of(const std::byte* at) const {
    const std::byte* const ahead = at + kPrefetchBytes;
    return ahead < end ? ahead : next + (ahead - end);
  }
};

// Rows that share one reading of a tile in multiply_panel: their f32 strip (128 B a row) and the panel stay in L1 and L2,
// and unpacking 256 k (about 600 vector operations) is below 2 % of the 240 * 8 * 24 of the products. Even, for the
// row that for_row_blocks may add.
constexpr std::size_t kStripRows = 240;

template <typename V>
constexpr int kTileVectors = kTileColumns / V::kLanes;

// Formats with equal code bits, offset and arithmetic share their panel kernels.
constexpr WeightFormat panel_format(WeightFormat format) {
  if (format == WeightFormat::kQ4_1) return WeightFormat::kQ4_K;
  if (format == WeightFormat::kQ5_1) return WeightFormat::kQ5_K;
  return format;
}

// How many rows multiply_in_loop takes at most, a kernel for one and for each even number. Formats that few files have get
// only one: the kernels of one instruction set take most of a minute to compile as it is.
template <typename V>
constexpr std::size_t in_loop_rows(WeightFormat format) {
  switch (format) {
    case WeightFormat::kQ8_0:
    case WeightFormat::kQ4_1:
    case WeightFormat::kQ5_0:
    case WeightFormat::kQ4_K:
    case WeightFormat::kQ6_K: return V::kInLoopRows;
    default: return 1;
  }
}

// Passes over a tile's codes that cost less than a panel: the second one finds them in cache.
constexpr std::size_t kInLoopPasses = 2;

// What the integer sum of a group starts from: -offset * S, unless V has removed the offset itself.
template <typename V, WeightFormat kFormat>
LONGSHORE_INLINE typename V::Int sum_start(const ActivationRun& x, std::size_t g, int half) {
  constexpr TileLayout kLayout = tile_layout(kFormat);
  if constexpr (kLayout.offset_bits < 0 || (kLayout.code_bits == 8 && V::kSignedBytes)) return V::zero();
  const std::int32_t* const sum = kLayout.has_halves() ? x.negative_half_sum + 2 * g + half : x.negative_sum + g;
  return V::template shift_left_i32<std::max(kLayout.offset_bits, 0)>(V::broadcast_i32(sum));
}

// acc plus one group: `sum` holds the integer sum of the group or of its two halves.
template <typename V, WeightFormat kFormat, typename Scales>
LONGSHORE_INLINE typename V::Float add_group(typename V::Float acc, const typename V::Int* sum, const Scales& scales,
                                             std::size_t column, const ActivationRun& x, std::size_t g) {
  constexpr TileLayout kLayout = tile_layout(kFormat);
  typename V::Float t = V::mul(V::to_f32(sum[0]), scales.scale(0, column));
  if constexpr (kLayout.has_halves()) t = V::fma(V::to_f32(sum[1]), scales.scale(1, column), t);
  if constexpr (kLayout.arithmetic == Arithmetic::kMinimum)
    t = V::fma(scales.minimum(0, column), V::broadcast(&x.sum[g]), t);
  if constexpr (kLayout.arithmetic == Arithmetic::kTwoMinima) {
    t = V::fma(scales.minimum(0, column), V::to_f32(V::broadcast_i32(&x.negative_half_sum[2 * g])), t);
    t = V::fma(scales.minimum(1, column), V::to_f32(V::broadcast_i32(&x.negative_half_sum[2 * g + 1])), t);
  }
  return V::fma(t, V::broadcast(&x.scale[g]), acc);
}

// One group of kRows rows and kVectors * V::kLanes columns from `column` on. codes(step, vector) are the weights.
template <typename V, WeightFormat kFormat, int kRows, int kVectors, typename Scales, typename Codes>
LONGSHORE_INLINE void multiply_group(typename V::Float (&acc)[kRows][kVectors], const ActivationRun* x, std::size_t g,
                                     std::size_t column, const Scales& scales, const Codes& codes) {
  constexpr TileLayout kLayout = tile_layout(kFormat);
  constexpr int kHalves = kLayout.has_halves() ? 2 : 1;
  constexpr int kSteps = 8 / kHalves;
  typename V::template DotSum<kLayout.code_bits, kSteps> sum[kRows][kVectors];
  typename V::Int total[kRows][kVectors][kHalves];
  unrolled<8>([&](auto step) __attribute__((always_inline)) {
    constexpr int kHalf = step / kSteps, kStep = step % kSteps;
    typename V::Int w[kVectors];
    unrolled<kVectors>([&](auto v) __attribute__((always_inline)) { w[v] = V::pinned(codes(step, v)); });
    unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
      const typename V::Int a = V::pinned(V::broadcast_i32(x[r].code + kGroup * g + 4 * step));
      unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
        if constexpr (kStep == 0) sum[r][v].start(sum_start<V, kFormat>(x[r], g, kHalf));
        sum[r][v].template add<kStep>(w[v], a);
        if constexpr (kStep == kSteps - 1) total[r][v][kHalf] = sum[r][v].total();
      });
    });
  });
  unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
    unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
      acc[r][v] = add_group<V, kFormat>(acc[r][v], total[r][v], scales, column + v * V::kLanes, x[r], g);
    });
  });
}

template <typename V>
void store_columns(const float* from, float* to, std::size_t columns) {
  if (columns >= kTileColumns) {
    for (std::size_t c = 0; c < kTileColumns; c += V::kLanes) V::store_unaligned(to + c, V::load_f32(from + c));
    return;
  }
  std::copy_n(from, columns, to);
}

// Prefetches a share of the `kBytes` bytes from `ahead` on: the lines whose turn is at `turn` of `kTurns`.
template <std::size_t kBytes, int kTurns>
LONGSHORE_INLINE void prefetch_share(const std::byte* ahead, int turn) {
  constexpr int kLines = kBytes / 64;
  for (int line = kLines * turn / kTurns; line < kLines * (turn + 1) / kTurns; ++line)
    __builtin_prefetch(ahead + 64 * line);
}

// kRows rows times one tile. Reads K * 32 weights once and 416 B of activations per row and 256 k.
template <typename V, WeightFormat kFormat, int kRows>
void multiply_in_loop(const std::byte* tile, const WeightStream& stream, const ActivationRun* x, std::size_t stride, std::size_t groups,
                      float (&out)[kRows][kTileColumns]) {
  constexpr TileLayout kLayout = tile_layout(kFormat);
  constexpr bool kExpands = kLayout.block_elements == kRun;
  constexpr int kParts = kTileVectors<V> / V::kVectors;
  typename V::Float acc[kParts][kRows][V::kVectors];
  unrolled<kParts>([&](auto part) __attribute__((always_inline)) {
    for (auto& row : acc[part])
      for (auto& lanes : row) lanes = V::broadcast(0.0f);
  });
  RunScales expanded;
  for (std::size_t first = 0; first < groups; first += 8, x += stride) {
    if constexpr (kExpands) {
      prefetch_share<kLayout.header_bytes, 1>(stream.ahead_of(tile), 0);
      expand_scales<V, kFormat>(tile, expanded);
      tile += kLayout.header_bytes;
    }
    for (std::size_t g = 0; g < std::min<std::size_t>(8, groups - first); ++g) {
      const std::byte* const codes = kExpands ? tile : tile + kLayout.header_bytes;
      constexpr std::size_t kGroupBytes = kLayout.group_bytes + (kExpands ? 0 : kLayout.header_bytes);
      const std::byte* const ahead = stream.ahead_of(tile);
      unrolled<kParts>([&](auto part) __attribute__((always_inline)) {
        constexpr std::size_t kColumn = part * V::kVectors * V::kLanes;
        const auto step = [&](auto i, auto v) __attribute__((always_inline)) {
          if constexpr (v == 0) prefetch_share<kGroupBytes, 8 * kParts>(ahead, 8 * part + i);
          return step_codes<V, kFormat, i>(codes + 4 * (kColumn + v * V::kLanes));
        };
        if constexpr (kExpands) {
          constexpr int kHalves = kLayout.has_halves() ? 2 : 1;
          const ExpandedScales<V> scales{expanded.scale + kHalves * g, expanded.minimum + kHalves * g};
          multiply_group<V, kFormat>(acc[part], x, g, kColumn, scales, step);
        } else {
          multiply_group<V, kFormat>(acc[part], x, g, kColumn, TileScales<V>{tile}, step);
        }
      });
      tile += kGroupBytes;
    }
  }
  unrolled<kParts>([&](auto part) __attribute__((always_inline)) {
    unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
      unrolled<V::kVectors>([&](auto v) __attribute__((always_inline)) {
        V::store_f32(out[r] + (part * V::kVectors + v) * V::kLanes, acc[part][r][v]);
      });
    });
  });
}

// 256 k of a tile, unpacked: 8 KiB of codes, one byte each, by group, step and column, and their scales.
struct alignas(64) Panel {
  std::byte code[8][8][kPlaneRowBytes];
  RunScales scales;
};

// Unpacks `count` groups; returns the byte after them.
template <typename V, WeightFormat kFormat>
const std::byte* unpack_panel(const std::byte* tile, std::size_t count, Panel& panel) {
  constexpr TileLayout kLayout = tile_layout(kFormat);
  constexpr bool kExpands = kLayout.block_elements == kRun;
  if constexpr (kExpands) {
    expand_scales<V, kFormat>(tile, panel.scales);
    tile += kLayout.header_bytes;
  }
  for (std::size_t g = 0; g < count; ++g) {
    if constexpr (!kExpands) {
      const TileScales<V> scales{tile};
      for (std::size_t c = 0; c < kTileColumns; c += V::kLanes) {
        V::store_f32(panel.scales.scale[g] + c, scales.scale(0, c));
        if constexpr (kLayout.has_minimum()) V::store_f32(panel.scales.minimum[g] + c, scales.minimum(0, c));
      }
      tile += kLayout.header_bytes;
    }
    for (std::size_t c = 0; c < kPlaneRowBytes; c += V::kBytes)
      unrolled<8>([&](auto step) __attribute__((always_inline)) {
        V::store(panel.code[g][step] + c, step_codes<V, kFormat, step>(tile + c));
      });
    tile += kLayout.group_bytes;
  }
  return tile;
}

// What is fetched while a panel is multiplied: `bytes` from `at` on in each group. Unpacking would wait for memory otherwise.
struct PanelAhead {
  const std::byte* at;
  std::size_t bytes;

  LONGSHORE_INLINE void fetch(std::size_t group) const {
    for (std::size_t i = group * bytes; i < (group + 1) * bytes; i += 64) __builtin_prefetch(at + i);
  }
};

// Adds `groups` groups of a panel to kRows rows of a strip. Per group, row and vector: 8 dots, 1 conversion, 1 or 2
// products and 1 or 2 fused multiply-adds; the accumulators stay in registers.
template <typename V, WeightFormat kFormat, int kRows>
void multiply_panel(const Panel& panel, const ActivationRun* x, std::size_t groups, const PanelAhead& ahead, float* strip) {
  constexpr int kHalves = tile_layout(kFormat).has_halves() ? 2 : 1;
  constexpr int kParts = kTileVectors<V> / V::kVectors;
  unrolled<kParts>([&](auto part) __attribute__((always_inline)) {
    constexpr std::size_t kColumn = part * V::kVectors * V::kLanes;
    typename V::Float acc[kRows][V::kVectors];
    unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
      unrolled<V::kVectors>([&](auto v) __attribute__((always_inline)) {
        acc[r][v] = V::load_f32(strip + r * kTileColumns + kColumn + v * V::kLanes);
      });
    });
    for (std::size_t g = 0; g < groups; ++g) {
      if (part == 0) ahead.fetch(g);
      const ExpandedScales<V> scales{panel.scales.scale + kHalves * g, panel.scales.minimum + kHalves * g};
      multiply_group<V, kFormat>(acc, x, g, kColumn, scales, [&](auto i, auto v) __attribute__((always_inline)) {
        return V::load(panel.code[g][i] + 4 * (kColumn + v * V::kLanes));
      });
    }
    unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
      unrolled<V::kVectors>([&](auto v) __attribute__((always_inline)) {
        V::store_f32(strip + r * kTileColumns + kColumn + v * V::kLanes, acc[r][v]);
      });
    });
  });
}

// Splits `rows` into the fewest blocks of at most kMax rows, about equal, and calls body(first, count, kRows) with the
// constant kRows: 1 or an even number, because each further kernel has to be compiled. Only the last block may have
// kRows = count + 1: the row after the last is then computed and thrown away; QuantizedRows has room for it.
template <int kMax, typename Body>
LONGSHORE_INLINE void for_row_blocks(std::size_t rows, const Body& body) {
  static_assert(kMax == 1 || kMax % 2 == 0);
  std::size_t blocks = (rows + kMax - 1) / kMax;
  for (std::size_t first = 0; first < rows; --blocks) {
    const std::size_t left = rows - first;
    if (left == 1 || kMax == 1) body(first, 1, std::integral_constant<int, 1>());
    const std::size_t even = kMax == 1 || left == 1 ? 1 : (left + 2 * blocks - 1) / (2 * blocks) * 2;
    unrolled<kMax / 2>([&](auto i) __attribute__((always_inline)) {
      constexpr int kRows = 2 * (i + 1);
      if (even == kRows) body(first, std::min(even, left), std::integral_constant<int, kRows>());
    });
    first += even;
  }
}

template <typename V, WeightFormat kFormat>
void multiply_few_rows(const TileProduct& p) {
  const std::byte* const end = p.tiles + p.tile_count * p.tile_bytes;
  for (std::size_t t = 0; t < p.tile_count; ++t) {
    const std::byte* const tile = p.tiles + t * p.tile_bytes;
    for_row_blocks<in_loop_rows<V>(kFormat)>(p.rows, [&](std::size_t first, std::size_t count, auto rows) {
      alignas(64) float out[rows][kTileColumns];
      const bool is_last = first + count == p.rows;  // the others read the same tile again
      const WeightStream stream = is_last ? WeightStream{end, p.next} : WeightStream{tile + p.tile_bytes, tile};
      multiply_in_loop<V, kFormat, rows>(tile, stream, p.runs + first, p.rows, p.groups, out);
      for (std::size_t r = 0; r < count; ++r)
        store_columns<V>(out[r], p.out + (first + r) * p.out_ld + t * kTileColumns, p.columns - t * kTileColumns);
    });
  }
}

template <typename V, WeightFormat kFormat>
void multiply_strip(const TileProduct& p, std::size_t first_row, std::size_t rows, const std::byte* tile,
                    const std::byte* next_tile, float (&strip)[kStripRows][kTileColumns]) {
  Panel panel;
  std::fill_n(strip[0], (rows + rows % 2) * kTileColumns, 0.0f);
  const ActivationRun* x = p.runs + first_row;
  for (std::size_t group = 0; group < p.groups; group += 8, x += p.rows) {
    const std::size_t count = std::min<std::size_t>(8, p.groups - group);
    const std::byte* const after = unpack_panel<V, kFormat>(tile, count, panel);
    const PanelAhead ahead{group + 8 < p.groups ? after : next_tile, static_cast<std::size_t>(after - tile) / count};
    tile = after;
    for_row_blocks<V::kPanelRows>(rows, [&](std::size_t first, std::size_t, auto block_rows) {
      multiply_panel<V, panel_format(kFormat), block_rows>(panel, x + first, count,
                                                           first == 0 ? ahead : PanelAhead{nullptr, 0}, strip[first]);
    });
  }
}

template <typename V, WeightFormat kFormat>
void multiply_many_rows(const TileProduct& p) {
  alignas(64) float strip[kStripRows][kTileColumns];
  for (std::size_t first = 0; first < p.rows; first += kStripRows) {
    const std::size_t rows = std::min(kStripRows, p.rows - first);
    const std::byte* const after_tiles = first + rows < p.rows ? p.tiles : p.next;
    for (std::size_t t = 0; t < p.tile_count; ++t) {
      const std::byte* const tile = p.tiles + t * p.tile_bytes;
      multiply_strip<V, kFormat>(p, first, rows, tile, t + 1 < p.tile_count ? tile + p.tile_bytes : after_tiles, strip);
      for (std::size_t r = 0; r < rows; ++r)
        store_columns<V>(strip[r], p.out + (first + r) * p.out_ld + t * kTileColumns, p.columns - t * kTileColumns);
    }
  }
}

// kRows rows times one tile of plain floats: one chain of fused multiply-adds over k per output.
template <typename V, WeightFormat kFormat, int kRows>
void multiply_float_tile(const std::byte* tile, const float* x, std::size_t ld, std::size_t inputs,
                         float (&out)[kRows][kTileColumns]) {
  constexpr int kVectors = kTileVectors<V>;
  typename V::Float acc[kRows][kVectors];
  for (auto& row : acc)
    for (auto& lanes : row) lanes = V::broadcast(0.0f);
  for (std::size_t k = 0; k < inputs; ++k) {
    unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
      const std::byte* const at = tile + (k * kTileColumns + v * V::kLanes) * block_bytes(kFormat);
      typename V::Float w;
      if constexpr (kFormat == WeightFormat::kF32) w = V::load_f32(reinterpret_cast<const float*>(at));
      if constexpr (kFormat == WeightFormat::kF16) w = V::load_f16(at);
      if constexpr (kFormat == WeightFormat::kBF16) w = V::load_bf16(at);
      unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
        acc[r][v] = V::fma(w, V::broadcast(x + r * ld + k), acc[r][v]);
      });
    });
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) V::store_f32(out[r] + v * V::kLanes, acc[r][v]);
}

template <typename V, WeightFormat kFormat, int kRows>
void multiply_float_rows(const TileProduct& p, std::size_t first) {
  alignas(64) float out[kRows][kTileColumns];
  for (std::size_t t = 0; t < p.tile_count; ++t) {
    multiply_float_tile<V, kFormat, kRows>(p.tiles + t * p.tile_bytes, p.values + first * p.values_ld, p.values_ld,
                                           kGroup * p.groups, out);
    for (std::size_t r = 0; r < kRows; ++r)
      store_columns<V>(out[r], p.out + (first + r) * p.out_ld + t * kTileColumns, p.columns - t * kTileColumns);
  }
}

template <typename V, WeightFormat kFormat>
void multiply_floats(const TileProduct& p) {
  std::size_t first = 0;
  for (; first + V::kFloatRows <= p.rows; first += V::kFloatRows) multiply_float_rows<V, kFormat, V::kFloatRows>(p, first);
  for (; first < p.rows; ++first) multiply_float_rows<V, kFormat, 1>(p, first);
}

template <typename V, WeightFormat kFormat>
void multiply(const TileProduct& p) {
  if constexpr (is_float(kFormat)) {
    multiply_floats<V, kFormat>(p);
  } else if (p.rows <= kInLoopPasses * in_loop_rows<V>(kFormat)) {
    multiply_few_rows<V, kFormat>(p);
  } else {
    multiply_many_rows<V, kFormat>(p);
  }
}

template <typename V, std::size_t... kIndex>
constexpr auto multiply_table(std::index_sequence<kIndex...>) {
  return std::array<MatrixKernels::Multiply, sizeof...(kIndex)>{multiply<V, static_cast<WeightFormat>(kIndex)>...};
}

template <typename V>
constexpr MatrixKernels matrix_kernels_of(Isa isa, decltype(MatrixKernels::quantize_row) quantize_row) {
  return {isa, quantize_row, multiply_table<V>(std::make_index_sequence<std::size(kWeightFormats)>())};
}

}  // namespace
}  // namespace longshore::kernels
