#pragma once

// Prefill: up to kRowsMax rows against one leaf. K and V are widened once into f32 panels; then both products
// are the same register tile, C[rows][16 * kTileVectors] = chain over k of A[row][k] * B[k][...]: for Q K^T k
// is the dimension and B a panel of keys, for P V k is the position and B a panel of columns.

#include "runtime/attention/cpu/leaf_inl.h"
#include "runtime/attention/cpu/softmax_inl.h"
#include "runtime/kernels/cpu/unrolled_inl.h"

namespace longshore::attention {
namespace {

inline constexpr std::uint32_t kPanel = kTileVectors * kLanes;

struct Tile {
  const float* a;  // row r, step k at r * a_stride + k
  std::size_t a_stride;
  const float* b;  // step k at k * 16 * kVectors
  KeyRange steps;
  float* c;  // row r at r * c_stride
  std::size_t c_stride;
  float last;  // added to each result: -0 changes nothing, +0 makes -0 into +0
};

template <unsigned kRows, unsigned kVectors>
[[gnu::noinline]] void multiply_tile(const Tile& tile) {
  F32x16 sum[kRows][kVectors];
  unrolled<kRows>([&](auto r) { unrolled<kVectors>([&](auto n) { sum[r][n] = zero(); }); });
  const float* a = tile.a;
  const float* b = tile.b + tile.steps.begin * kVectors * kLanes;
  const std::size_t stride = tile.a_stride;
  for (std::uint32_t k = tile.steps.begin; k < tile.steps.end; ++k) {
    F32x16 step[kVectors];
    unrolled<kVectors>([&](auto n) { step[n] = load(b + n * kLanes); });
    unrolled<kRows>([&](auto r) {
      const F32x16 one = broadcast(a[r * stride + k]);
      unrolled<kVectors>([&](auto n) { sum[r][n] = fma(one, step[n], sum[r][n]); });
    });
    b += kVectors * kLanes;
  }
  unrolled<kRows>([&](auto r) {
    unrolled<kVectors>([&](auto n) {
      store(tile.c + r * tile.c_stride + n * kLanes, add(sum[r][n], broadcast(tile.last)));
    });
  });
}

template <unsigned kRows, unsigned kVectors>
[[gnu::noinline]] void multiply_rows(std::uint32_t rows, const Tile& tile) {
  if (rows == kRows) {
    multiply_tile<kRows, kVectors>(tile);
  } else if constexpr (kRows > 1) {
    multiply_rows<kRows - 1, kVectors>(rows, tile);
  }
}

// Widens the groups of keys [panel, panel + kTileVectors) to [d][kPanel].
template <typename Codec>
[[gnu::noinline]] void widen_keys(const LeafTask& task, std::uint32_t first_group, float* to) {
  for (unsigned g = 0; g < kTileVectors; ++g) {
    for (std::uint32_t part = 0; part < task.d / kLanes; ++part) {
      typename Codec::Keys keys;
      keys.open(task.block, task.d, first_group + g, part);
      for (std::uint32_t i = 0; i < kLanes; ++i)
        store(to + (part * kLanes + i) * kPanel + g * kLanes, keys.load(i));
    }
  }
}

// Widens columns [column, column + width) of positions to [128][width].
template <typename Codec>
[[gnu::noinline]] void widen_values(
    const LeafTask& task, KeyRange positions, std::uint32_t column, std::uint32_t width, float* to) {
  for (std::uint32_t first = positions.begin / kLanes * kLanes; first < positions.end; first += kLanes) {
    const typename Codec::Values values(task.block, task.d, first);
    const std::uint32_t end = positions.end - first < kLanes ? positions.end - first : kLanes;
    for (std::uint32_t j = positions.begin > first ? positions.begin - first : 0; j < end; ++j)
      for (std::uint32_t c = 0; c < width; c += kLanes) {
        F32x16 v[1];
        values.load(j, column + c, v);
        store(to + (first + j) * width + c, v[0]);
      }
  }
}

// Half a block, prefetched in equal parts between tiles: they leave the memory idle, and widening would wait for it.
class Ahead {
 public:
  Ahead(const std::byte* from, std::size_t bytes, std::uint32_t parts)
      : at_(from), left_(from != nullptr ? bytes : 0), part_((bytes / parts / kLine + 1) * kLine) {}

  void next_part() {
    const std::size_t count = part_ < left_ ? part_ : left_;
    for (std::size_t i = 0; i < count; i += kLine) prefetch(at_ + i);
    at_ += count;
    left_ -= count;
  }

 private:
  static constexpr std::size_t kLine = 64;
  const std::byte* at_;
  std::size_t left_;
  std::size_t part_;
};

template <typename Codec>
void attend_many_rows(const LeafTask& task, PartialSpan out, float* scratch) {
  float* panel = scratch;  // at most [d or 128][kPanel]
  float* logits = scratch + (task.d > kPositions ? task.d : kPositions) * kPanel;  // [R, 128]
  const KeyRange seen = union_of(task.visible, task.rows);
  KeyRange seen_by_tile[(kRowsMax + kTileRows - 1) / kTileRows];
  const std::uint32_t tiles = (task.rows + kTileRows - 1) / kTileRows;
  const auto for_tiles = [&](auto body) {
    for (std::uint32_t t = 0; t < tiles; ++t) {
      const std::uint32_t r = t * kTileRows;
      body(r, task.rows - r < kTileRows ? task.rows - r : kTileRows, seen_by_tile[t]);
    }
  };
  for (std::uint32_t t = 0; t < tiles; ++t) {
    const std::uint32_t r = t * kTileRows;
    seen_by_tile[t] = union_of(task.visible + r, task.rows - r < kTileRows ? task.rows - r : kTileRows);
  }

  const std::size_t half = Codec::half_bytes(task.d);
  Ahead values_ahead(task.block + half, half, kPositions / kPanel * tiles);
  for (std::uint32_t key = seen.begin / kPanel * kPanel; key < seen.end; key += kPanel) {
    widen_keys<Codec>(task, key / kLanes, panel);
    for_tiles([&](std::uint32_t r, std::uint32_t count, KeyRange range) {
      values_ahead.next_part();
      if (range.end <= key || range.begin >= key + kPanel) return;
      multiply_rows<kTileRows, kTileVectors>(count, {task.q + r * task.d,
                                                     task.d,
                                                     panel,
                                                     {0, task.d},
                                                     logits + r * kPositions + key,
                                                     kPositions,
                                                     -0.0f});
    });
  }
  for_tiles([&](std::uint32_t first, std::uint32_t count, KeyRange range) {
    softmax(count, logits + first * kPositions, task.visible + first, groups_of(range), task.softcap, out.max + first,
            out.weight + first);
  });
  Ahead keys_ahead(task.next_block, half, (task.d + kPanel - 1) / kPanel * tiles);
  for (std::uint32_t column = 0; column < task.d;) {
    const std::uint32_t width = task.d - column < kPanel ? kLanes : kPanel;
    widen_values<Codec>(task, seen, column, width, panel);
    for_tiles([&](std::uint32_t r, std::uint32_t count, KeyRange range) {
      keys_ahead.next_part();
      const Tile tile{logits + r * kPositions,       kPositions, panel, range,
                      out.sum + r * task.d + column, task.d,     0.0f};
      if (width == kPanel) {
        multiply_rows<kTileRows, kTileVectors>(count, tile);
      } else {
        multiply_rows<kTileRows, 1>(count, tile);
      }
    });
    column += width;
  }
}

}  // namespace
}  // namespace longshore::attention
