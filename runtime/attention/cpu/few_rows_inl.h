#pragma once

// Decode: a few rows against one leaf that streams from memory once. K and V are read strictly forward, and what comes
// kPrefetchBytes later is prefetched into L2, running on into the next block: decode is limited by memory, and this was
// the largest single gain (tests/bench/attention measures it).

namespace longshore::attention {
namespace {

inline constexpr std::size_t kPrefetchBytes = 16384;
inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::uint32_t kPositionBlock = 16;  // positions of V per visit of a row's sum, which then stays in L1

// The bytes of this block and then of the next one, seen as one stream.
struct Stream {
  const std::byte* block;
  const std::byte* next;
  std::size_t block_bytes;

  // Fetches what lies kPrefetchBytes behind [offset, offset + bytes).
  void fetch_ahead(std::size_t offset, std::size_t bytes) const {
    const std::size_t ahead = offset + kPrefetchBytes;
    const std::byte* from = block + ahead;
    if (ahead >= block_bytes) {
      if (next == nullptr) return;
      from = next + (ahead - block_bytes);
    }
    for (std::size_t line = 0; line < bytes; line += kCacheLine) prefetch_to_l2(from + line);
  }
};

// Logits of kRows rows for kGroups neighbouring groups of 16 keys: one chain of fma over the dimensions for each key.
template <typename Codec, unsigned kRows, unsigned kGroups>
inline void few_logits(const LeafTask& task, const float* q, std::uint32_t group, float* logits) {
  F32x16 sum[kRows][kGroups];
  for (unsigned r = 0; r < kRows; ++r)
    for (unsigned g = 0; g < kGroups; ++g) sum[r][g] = zero();
  for (std::uint32_t part = 0; part < task.d / kLanes; ++part) {
    typename Codec::Keys keys[kGroups];
    for (unsigned g = 0; g < kGroups; ++g) keys[g].open(task.block, task.d, group + g, part);
    const float* q_part = q + part * kLanes;
#pragma GCC unroll 4
    for (std::uint32_t i = 0; i < kLanes; ++i) {
      F32x16 k[kGroups];
      for (unsigned g = 0; g < kGroups; ++g) k[g] = keys[g].load(i);
      for (unsigned r = 0; r < kRows; ++r) {
        const F32x16 one = broadcast(q_part[r * task.d + i]);
        for (unsigned g = 0; g < kGroups; ++g) sum[r][g] = fma(one, k[g], sum[r][g]);
      }
    }
  }
  for (unsigned r = 0; r < kRows; ++r)
    for (unsigned g = 0; g < kGroups; ++g) store(logits + r * kPositions + (group + g) * kLanes, sum[r][g]);
}

// Adds positions [begin, end) to columns [column, column + 16 * kVectors) of kRows sums.
template <typename Codec, unsigned kRows, unsigned kVectors>
inline void few_values(const LeafTask& task, const float* weights, KeyRange positions, std::uint32_t column, float* sums) {
  F32x16 sum[kRows][kVectors];
  for (unsigned r = 0; r < kRows; ++r)
    for (unsigned n = 0; n < kVectors; ++n) sum[r][n] = load(sums + r * task.d + column + n * kLanes);
  for (std::uint32_t j = positions.begin; j < positions.end; ++j) {
    const typename Codec::Values values(task.block, task.d, j);
    F32x16 v[kVectors];
    for (unsigned n = 0; n < kVectors; ++n) v[n] = values.load(column + n * kLanes);
    for (unsigned r = 0; r < kRows; ++r) {
      const F32x16 p = broadcast(weights[r * kPositions + j]);
      for (unsigned n = 0; n < kVectors; ++n) sum[r][n] = fma(p, v[n], sum[r][n]);
    }
  }
  for (unsigned r = 0; r < kRows; ++r)
    for (unsigned n = 0; n < kVectors; ++n) store(sums + r * task.d + column + n * kLanes, sum[r][n]);
}

// All columns from `column` on, in panels of kVectors, then of half as many, and so on.
template <typename Codec, unsigned kRows, unsigned kVectors>
inline void few_columns(const LeafTask& task, const float* weights, KeyRange positions, std::uint32_t column,
                        float* sums) {
  for (; column + kVectors * kLanes <= task.d; column += kVectors * kLanes)
    few_values<Codec, kRows, kVectors>(task, weights, positions, column, sums);
  if constexpr (kVectors > 1) {
    if (column < task.d) few_columns<Codec, kRows, kVectors / 2>(task, weights, positions, column, sums);
  }
}

// Calls body(first row, std constant of how many rows) for runs of at most kMost rows: registers hold no more.
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
  const Stream stream{task.block, task.next_block, 2 * Codec::half_bytes(task.d)};
  float* logits = scratch;
  const std::uint32_t group_begin = seen.begin / kLanes;
  const std::uint32_t group_end = (seen.end + kLanes - 1) / kLanes;
  const std::size_t group_bytes = Codec::half_bytes(task.d) / kKeyGroups;
  for (std::uint32_t group = group_begin; group < group_end; ++group) {
    stream.fetch_ahead(group * group_bytes, group_bytes);
    for_row_runs<kFewRowsRun>(0, task.rows, [&](std::uint32_t r, auto count) {
      few_logits<Codec, count.value, 1>(task, task.q + r * task.d, group, logits + r * kPositions);
    });
  }
  for (std::uint32_t r = 0; r < task.rows; ++r) {
    const RowSums sums = softmax_row(logits + r * kPositions, task.visible[r], group_begin, group_end, task.softcap);
    out.max[r] = sums.max;
    out.weight[r] = sums.weight;
  }
  const std::size_t sums_count = std::size_t{task.rows} * task.d;
  for (std::size_t i = 0; i < sums_count; i += kLanes) store(out.sum + i, zero());
  const std::size_t position_bytes = Codec::half_bytes(task.d) / kPositions;
  for (std::uint32_t begin = seen.begin; begin < seen.end;) {
    const std::uint32_t boundary = (begin / kPositionBlock + 1) * kPositionBlock;
    const KeyRange positions{begin, boundary < seen.end ? boundary : seen.end};
    stream.fetch_ahead(Codec::half_bytes(task.d) + begin * position_bytes, (positions.end - begin) * position_bytes);
    for_row_runs<kFewRowsRun>(0, task.rows, [&](std::uint32_t r, auto count) {
      few_columns<Codec, count.value, few_vectors(count.value)>(task, logits + r * kPositions, positions, 0,
                                                                out.sum + r * task.d);
    });
    begin = positions.end;
  }
  // Makes -0 into +0: whether a position with weight 0 is added or passed over must not show.
  for (std::size_t i = 0; i < sums_count; i += kLanes) store(out.sum + i, add(load(out.sum + i), zero()));
}

}  // namespace
}  // namespace longshore::attention
