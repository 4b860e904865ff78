#pragma once

// Decode: a few rows against one leaf that streams from memory once. K and V are read strictly forward, and
// what comes kPrefetchBytes later is prefetched into L2, running on into the next block: decode is limited by
// memory, and this was the largest single gain (tests/bench/attention measures it).

#include "runtime/attention/cpu/leaf_inl.h"
#include "runtime/attention/cpu/softmax_inl.h"
#include "runtime/attention/cpu/widen_inl.h"

namespace longshore::attention {
namespace {

inline constexpr std::size_t kPrefetchBytes = 16384;
inline constexpr std::size_t kCacheLine = 64;

// The bytes of this block and then of the next one, seen as one stream and fetched a little at a time: a
// burst would fill the few buffers that loads need too.
class Stream {
 public:
  Stream(const std::byte* block, const std::byte* next, std::size_t block_bytes)
      : at_(block + (kPrefetchBytes < block_bytes ? kPrefetchBytes : block_bytes)),
        end_(block + block_bytes),
        next_(next),
        block_bytes_(block_bytes) {}

  // Fetches as many bytes further on as the caller is about to read.
  void advance(std::size_t bytes) {
    fetched_ += bytes;
    for (; fetched_ >= kCacheLine; fetched_ -= kCacheLine) {
      if (at_ >= end_) {
        if (next_ == nullptr) return;
        at_ = next_;
        end_ = next_ + block_bytes_;
        next_ = nullptr;
      }
      prefetch_to_l2(at_);
      at_ += kCacheLine;
    }
  }

 private:
  const std::byte* at_;
  const std::byte* end_;
  const std::byte* next_;
  std::size_t block_bytes_;
  std::size_t fetched_ = 0;
};

// Logits of kRows rows for kGroups neighbouring groups of 16 keys: one chain of fma over the dimensions for
// each key.
template <typename Codec, unsigned kRows, unsigned kGroups>
[[gnu::noinline]] void few_logits(
    const LeafTask& task, const float* q, std::uint32_t group, float* logits, Stream* stream) {
  F32x16 sum[kRows][kGroups];
  for (unsigned r = 0; r < kRows; ++r)
    for (unsigned g = 0; g < kGroups; ++g) sum[r][g] = zero();
  const std::size_t part_bytes = Codec::half_bytes(task.d) / kKeyGroups / (task.d / kLanes);
  for (std::uint32_t part = 0; part < task.d / kLanes; ++part) {
    if (stream != nullptr) stream->advance(kGroups * part_bytes);
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

// Groups [group, end), kGroups at a time and the rest one by one: several chains hide the latency of fma.
template <typename Codec, unsigned kRows, unsigned kGroups>
inline void few_groups(const LeafTask& task,
                       const float* q,
                       std::uint32_t group,
                       std::uint32_t end,
                       float* logits,
                       Stream* stream) {
  for (; group + kGroups <= end; group += kGroups)
    few_logits<Codec, kRows, kGroups>(task, q, group, logits, stream);
  if constexpr (kGroups > 1) {
    if (group < end) few_groups<Codec, kRows, 1>(task, q, group, end, logits, stream);
  }
}

// Adds positions [begin, end), counted from where `values` and `weights` start, to columns [column, column +
// 16 * kVectors) of kRows sums.
template <typename Codec, unsigned kRows, unsigned kVectors>
[[gnu::noinline]] void few_values(const LeafTask& task,
                                  const typename Codec::Values& values,
                                  const float* weights,
                                  KeyRange positions,
                                  std::uint32_t column,
                                  float* sums,
                                  Stream* stream) {
  const std::size_t position_bytes = Codec::half_bytes(task.d) / kPositions;
  F32x16 sum[kRows][kVectors];
  for (unsigned r = 0; r < kRows; ++r)
    for (unsigned n = 0; n < kVectors; ++n) sum[r][n] = load(sums + r * task.d + column + n * kLanes);
  for (std::uint32_t j = positions.begin; j < positions.end; ++j) {
    if (stream != nullptr) stream->advance(position_bytes);
    F32x16 v[kVectors];
    for (unsigned n = 0; n < kVectors; ++n) v[n] = values.load(j, column + n * kLanes);
    for (unsigned r = 0; r < kRows; ++r) {
      const F32x16 p = broadcast(weights[r * kPositions + j]);
      for (unsigned n = 0; n < kVectors; ++n) sum[r][n] = fma(p, v[n], sum[r][n]);
    }
  }
  for (unsigned r = 0; r < kRows; ++r)
    for (unsigned n = 0; n < kVectors; ++n) store(sums + r * task.d + column + n * kLanes, sum[r][n]);
}

// All columns from `column` on, in panels of kVectors and the rest one by one.
template <typename Codec, unsigned kRows, unsigned kVectors>
inline void few_columns(const LeafTask& task,
                        const typename Codec::Values& values,
                        const float* weights,
                        KeyRange positions,
                        std::uint32_t column,
                        float* sums,
                        Stream* stream) {
  for (; column + kVectors * kLanes <= task.d; column += kVectors * kLanes) {
    few_values<Codec, kRows, kVectors>(task, values, weights, positions, column, sums, stream);
    stream = nullptr;  // the first panel has fetched for all
  }
  if constexpr (kVectors > 1) {
    if (column < task.d) few_columns<Codec, kRows, 1>(task, values, weights, positions, column, sums, stream);
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
  Stream stream(task.block, task.next_block, 2 * Codec::half_bytes(task.d));
  float* logits = scratch;
  const std::uint32_t group_begin = seen.begin / kLanes;
  const std::uint32_t group_end = (seen.end + kLanes - 1) / kLanes;
  constexpr std::uint32_t kGroupsHot = 4;  // that later runs of rows read again from L1
  for (std::uint32_t group = group_begin; group < group_end; group += kGroupsHot) {
    const std::uint32_t end = group + kGroupsHot < group_end ? group + kGroupsHot : group_end;
    for_row_runs<kFewRowsRun>(0, task.rows, [&](std::uint32_t r, auto count) {
      few_groups<Codec, count.value, few_key_groups(count.value)>(
          task, task.q + r * task.d, group, end, logits + r * kPositions, r == 0 ? &stream : nullptr);
    });
  }
  for (std::uint32_t r = 0; r < task.rows; ++r) {
    const RowSums sums =
        softmax_row(logits + r * kPositions, task.visible[r], group_begin, group_end, task.softcap);
    out.max[r] = sums.max;
    out.weight[r] = sums.weight;
  }
  const std::size_t sums_count = std::size_t{task.rows} * task.d;
  for (std::size_t i = 0; i < sums_count; i += kLanes) store(out.sum + i, zero());
  for (std::uint32_t first = seen.begin / kLanes * kLanes; first < seen.end; first += kLanes) {
    const KeyRange positions{seen.begin > first ? seen.begin - first : 0,
                             seen.end - first < kLanes ? seen.end - first : kLanes};
    const typename Codec::Values values(task.block, task.d, first);
    for_row_runs<kFewRowsRun>(0, task.rows, [&](std::uint32_t r, auto count) {
      few_columns<Codec, count.value, few_vectors(count.value)>(task, values, logits + r * kPositions + first,
                                                                positions, 0, out.sum + r * task.d,
                                                                r == 0 ? &stream : nullptr);
    });
  }
  // Makes -0 into +0: whether a position with weight 0 is added or passed over must not show.
  for (std::size_t i = 0; i < sums_count; i += kLanes) store(out.sum + i, add(load(out.sum + i), zero()));
}

}  // namespace
}  // namespace longshore::attention
