#pragma once

// Decode: a few rows against one leaf that streams from memory once. K and V are read strictly forward, and
// what comes kPrefetchBytes later is prefetched into L1, running on into the next block: decode is limited by
// memory, and this was the largest single gain (tests/bench/attention measures it; on a Cascade Lake core, of
// plain read, f16 and one row: 0.79 without, 0.79 into L2, 0.97 into L1; four rows: 0.63, 0.63, 0.83). The faster a
// core reads, the further ahead: a Zen 5 core, f16 and six rows, 37 GB/s at 4 KiB, 45 at 8, 50 at 12, which two
// threads of a core with 32 KiB of L1 have no room for.

#include "runtime/attention/cpu/leaf_inl.h"
#include "runtime/attention/cpu/softmax_inl.h"
#include "runtime/kernels/cpu/unrolled_inl.h"

namespace longshore::attention {
namespace {

inline constexpr std::size_t kPrefetchBytes = 8192;
inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::uint32_t kUnits = 2 * kKeyGroups;  // of a block: the groups of K, then of V, one after another

// What lies kPrefetchBytes after byte `offset` of unit `unit` in the order of reading: in this block, then in the next.
template <typename Codec>
inline const std::byte* ahead_of(const LeafTask& task, std::uint32_t unit, std::size_t offset) {
  const std::size_t unit_bytes = Codec::half_bytes(task.d) / kKeyGroups;
  const std::size_t at = unit * unit_bytes + offset + kPrefetchBytes;
  const std::size_t block_bytes = kUnits * unit_bytes;
  if (at < block_bytes) return task.block + at;
  return task.next_block != nullptr ? task.next_block + (at - block_bytes) : task.block;
}

constexpr std::size_t lines_of(std::size_t bytes) { return (bytes + kCacheLine - 1) / kCacheLine; }

// Logits of kRows rows for kGroups neighbouring groups of 16 keys: one chain of fma over the dimensions for
// each key.
template <typename Codec, unsigned kRows, unsigned kGroups>
[[gnu::noinline]] void few_logits(const LeafTask& task, const float* q, std::uint32_t group, float* logits) {
  constexpr std::uint32_t kSteps = 4;
  constexpr int kLines = lines_of(kGroups * Codec::kPartBytes * kSteps / kLanes);  // read in kSteps dimensions
  const std::size_t d = task.d;
  F32x16 sum[kRows][kGroups];
  unrolled<kRows>([&](auto r) { unrolled<kGroups>([&](auto g) { sum[r][g] = zero(); }); });
  for (std::uint32_t part = 0; part < d / kLanes; ++part) {
    const std::byte* ahead = ahead_of<Codec>(task, group, kGroups * part * Codec::kPartBytes);
    typename Codec::Keys keys[kGroups];
    unrolled<kGroups>([&](auto g) { keys[g].open(task.block, task.d, group + g, part); });
    const float* q_part = q + part * kLanes;
    for (std::uint32_t i = 0; i < kLanes; i += kSteps) {
      unrolled<kLines>([&](auto line) { prefetch(ahead + line * kCacheLine); });
      ahead += kLines * kCacheLine;
      unrolled<kSteps>([&](auto step) {
        F32x16 k[kGroups];
        unrolled<kGroups>([&](auto g) { k[g] = keys[g].load(i + step); });
        unrolled<kRows>([&](auto r) {
          const F32x16 one = broadcast(q_part[r * d + i + step]);
          unrolled<kGroups>([&](auto g) { sum[r][g] = fma(one, k[g], sum[r][g]); });
        });
      });
    }
  }
  unrolled<kRows>([&](auto r) {
    unrolled<kGroups>([&](auto g) { store(logits + r * kPositions + (group + g) * kLanes, sum[r][g]); });
  });
}

// Groups [group, end), kGroups at a time and the rest one by one: several chains hide the latency of fma.
template <typename Codec, unsigned kRows, unsigned kGroups>
inline void few_groups(const LeafTask& task,
                       const float* q,
                       std::uint32_t group,
                       std::uint32_t end,
                       float* logits) {
  for (; group + kGroups <= end; group += kGroups)
    few_logits<Codec, kRows, kGroups>(task, q, group, logits);
  if constexpr (kGroups > 1) {
    if (group < end) few_groups<Codec, kRows, 1>(task, q, group, end, logits);
  }
}

// Adds positions [begin, end), counted from `first` and from where `weights` starts, to columns [column, column +
// 16 * kVectors) of kRows sums.
template <typename Codec, unsigned kRows, unsigned kVectors>
[[gnu::noinline]] void few_values(const LeafTask& task,
                                  const typename Codec::Values& values,
                                  const float* weights,
                                  std::uint32_t first,
                                  KeyRange positions,
                                  std::uint32_t column,
                                  float* sums) {
  constexpr int kLines = lines_of(kVectors * Codec::kPartBytes / (kLanes / 2));  // read at two positions
  const std::byte* ahead = ahead_of<Codec>(task, kKeyGroups + first / kLanes, column / kLanes * Codec::kPartBytes);
  const std::size_t d = task.d;
  F32x16 sum[kRows][kVectors];
  unrolled<kRows>([&](auto r) {
    unrolled<kVectors>([&](auto n) { sum[r][n] = load(sums + r * d + column + n * kLanes); });
  });
  for (std::uint32_t j = positions.begin; j < positions.end; ++j) {
    if (j % 2 == 0) {
      unrolled<kLines>([&](auto line) { prefetch(ahead + line * kCacheLine); });
      ahead += kLines * kCacheLine;
    }
    F32x16 v[kVectors];
    values.load(j, column, v);
    unrolled<kRows>([&](auto r) {
      const F32x16 p = broadcast(weights[r * kPositions + j]);
      unrolled<kVectors>([&](auto n) { sum[r][n] = fma(p, v[n], sum[r][n]); });
    });
  }
  unrolled<kRows>([&](auto r) {
    unrolled<kVectors>([&](auto n) { store(sums + r * d + column + n * kLanes, sum[r][n]); });
  });
}

// All columns from `column` on, in panels of kVectors, and the rest in panels of half as many.
template <typename Codec, unsigned kRows, unsigned kVectors>
inline void few_columns(const LeafTask& task,
                        const typename Codec::Values& values,
                        const float* weights,
                        std::uint32_t first,
                        KeyRange positions,
                        std::uint32_t column,
                        float* sums) {
  for (; column + kVectors * kLanes <= task.d; column += kVectors * kLanes)
    few_values<Codec, kRows, kVectors>(task, values, weights, first, positions, column, sums);
  if constexpr (kVectors > 1) {
    if (column < task.d) few_columns<Codec, kRows, kVectors / 2>(task, values, weights, first, positions, column, sums);
  }
}

// A number that a template can take from a function argument.
template <unsigned kCount>
struct Count {
  static constexpr unsigned value = kCount;
};

// Calls body(first row, std constant of how many rows) for runs of at most kMost rows: registers hold no
// more.
template <unsigned kMost, typename Body>
inline void for_row_runs(std::uint32_t first, std::uint32_t rows, Body body) {
  for (; rows - first >= kMost; first += kMost) body(first, Count<kMost>{});
  if constexpr (kMost > 1) {
    if (first < rows) for_row_runs<kMost - 1>(first, rows, body);
  }
}

template <typename Codec>
void attend_few_rows(const LeafTask& task, PartialSpan out, float* scratch) {
  const KeyRange seen = union_of(task.visible, task.rows);
  float* logits = scratch;
  const GroupRange groups = groups_of(seen);
  constexpr std::uint32_t kGroupsHot = 4;  // that later runs of rows read again from L1
  for (std::uint32_t group = groups.begin; group < groups.end; group += kGroupsHot) {
    const std::uint32_t end = group + kGroupsHot < groups.end ? group + kGroupsHot : groups.end;
    for_row_runs<kFewRowsRun>(0, task.rows, [&](std::uint32_t r, auto count) {
      few_groups<Codec, count.value, few_key_groups(count.value)>(
          task, task.q + r * task.d, group, end, logits + r * kPositions);
    });
  }
  softmax(task.rows, logits, task.visible, groups, task.softcap, out.max, out.weight);
  const std::size_t sums_count = std::size_t{task.rows} * task.d;
  for (std::size_t i = 0; i < sums_count; i += kLanes) store(out.sum + i, zero());
  for (std::uint32_t first = seen.begin / kLanes * kLanes; first < seen.end; first += kLanes) {
    const KeyRange positions{seen.begin > first ? seen.begin - first : 0,
                             seen.end - first < kLanes ? seen.end - first : kLanes};
    const typename Codec::Values values(task.block, task.d, first);
    for_row_runs<kFewRowsRun>(0, task.rows, [&](std::uint32_t r, auto count) {
      few_columns<Codec, count.value, few_vectors(count.value)>(task, values, logits + r * kPositions + first,
                                                                first, positions, 0, out.sum + r * task.d);
    });
  }
  // Makes -0 into +0: whether a position with weight 0 is added or passed over must not show.
  for (std::size_t i = 0; i < sums_count; i += kLanes) store(out.sum + i, add(load(out.sum + i), zero()));
}

}  // namespace
}  // namespace longshore::attention
