#include "runtime/attention/attend.h"

#include <algorithm>

#include "runtime/base/check.h"
#include "runtime/plan/leaf.h"

namespace longshore::attention {
namespace {

std::uint32_t window_begin(const AttendShape& shape, std::uint32_t position) {
  return static_cast<std::uint32_t>(shape.rule.window_begin(position));
}

KeyRange ruled_in(const AttendShape& shape, std::uint32_t position, std::uint32_t leaf) {
  const std::uint32_t leaf_begin = leaf * kLeafTokens;
  const std::uint32_t begin = std::max(window_begin(shape, position), leaf_begin);
  const std::uint32_t end = std::min(position + 1, leaf_begin + kLeafTokens);
  if (begin < end) return {begin - leaf_begin, end - leaf_begin};
  return leaf == 0 ? KeyRange{0, std::min(shape.rule.sinks, position + 1)} : KeyRange{};
}

KeyRange visible_in(const AttendShape& shape, std::uint32_t position, const HeldLeaf& held) {
  const KeyRange ruled = ruled_in(shape, position, held.leaf);
  return {std::max(ruled.begin, held.chosen.begin), std::min(ruled.end, held.chosen.end)};
}

void check_call(const AttendShape& shape, const Queries& queries) {
  const std::uint32_t last = queries.position + queries.tokens - 1;
  CHECK(queries.tokens > 0 && leaf_of(last) == leaf_of(queries.position))
      << "positions " << queries.position << " to " << last << " are not in one leaf";
  CHECK(shape.group > 0 && queries.token_stride >= std::size_t{shape.group} * shape.layout.d)
      << "group " << shape.group << ", token stride " << queries.token_stride;
}

// Rows [begin, begin + count) of a call: as many as a kernel takes at once. Row r is token r / G, head r % G.
struct RowTile {
  std::uint32_t begin = 0;
  std::uint32_t count = 0;
  const float* q = nullptr;  // [count, d]
};

// Tiles of equal size but the last, of whole register tiles (12 rows at most).
std::uint32_t tile_rows(std::uint32_t rows) {
  constexpr std::uint32_t kRegisterRows = 12;
  const std::uint32_t tiles = (rows + kRowsMax - 1) / kRowsMax;
  const std::uint32_t even = (rows + tiles - 1) / tiles;
  return (even + kRegisterRows - 1) / kRegisterRows * kRegisterRows;
}

RowTile open_tile(const AttendShape& shape,
                  const Queries& queries,
                  std::uint32_t begin,
                  AttendScratch& scratch) {
  const std::uint32_t rows = queries.tokens * shape.group;
  const std::uint32_t d = shape.layout.d;
  RowTile tile{begin, std::min(tile_rows(rows), rows - begin), queries.q + std::size_t{begin} * d};
  if (queries.token_stride == std::size_t{shape.group} * d || queries.tokens == 1) return tile;
  tile.q = scratch.queries();
  for (std::uint32_t r = 0; r < tile.count; ++r) {
    const std::uint32_t row = begin + r;
    const float* from =
        queries.q + row / shape.group * queries.token_stride + std::size_t{row % shape.group} * d;
    std::copy_n(from, d, scratch.queries() + std::size_t{r} * d);
  }
  return tile;
}

void attend_tile(const AttentionKernels& kernels,
                 const AttendShape& shape,
                 const Queries& queries,
                 const RowTile& tile,
                 const HeldLeaf& held,
                 const std::byte* next_block,
                 PartialSpan out,
                 AttendScratch& scratch) {
  const std::span<KeyRange> visible = scratch.visible();
  for (std::uint32_t r = 0; r < tile.count; ++r)
    visible[r] = visible_in(shape, queries.position + (tile.begin + r) / shape.group, held);
  kernels.attend_leaf({.type = shape.layout.type,
                       .d = shape.layout.d,
                       .rows = tile.count,
                       .q = tile.q,
                       .visible = visible.data(),
                       .softcap = shape.softcap,
                       .block = held.block,
                       .next_block = next_block},
                      out, scratch.kernel_floats());
}

// The part of `held` that lies in tree leaves [range.begin, range.end).
std::span<const HeldLeaf> within(std::span<const HeldLeaf> held, TreeRange range) {
  const auto before = [](const HeldLeaf& one, std::uint32_t leaf) { return one.leaf < leaf; };
  const auto begin = std::lower_bound(held.begin(), held.end(), range.begin + 1, before);
  const auto end = std::lower_bound(begin, held.end(), range.end + 1, before);
  return {begin, end};
}

bool is_empty(KeyRange range) { return range.begin >= range.end; }

// The first block that is read of these, or what is read after them.
const std::byte* next_read(std::span<const HeldLeaf> held, const std::byte* after) {
  for (const HeldLeaf& one : held)
    if (!is_empty(one.chosen)) return one.block;
  return after;
}

Error missing(std::uint32_t leaf, std::uint32_t needed, std::uint32_t written) {
  return make_error(ErrorCode::kDataLoss, "attention needs ", needed, " positions of leaf ", leaf, " and ",
                    written, " are here; recompute from the tokens");
}

}  // namespace

TreeRange required_range(const AttendShape& shape, std::uint32_t position) {
  const std::uint32_t leaf = leaf_of(position);
  if (leaf < 3) return {};
  const std::uint32_t end = leaf - 2;
  const std::uint32_t first_leaf = std::max(1u, window_begin(shape, position) / kLeafTokens);
  return {std::min(first_leaf - 1, end), end};
}

std::uint32_t parts_of(const AttendShape& shape, std::size_t leaves, std::size_t runs, unsigned threads) {
  constexpr std::size_t kPartBytesMin = 128 << 10, kPartsOfThread = 4;
  if (threads == 1) return 1;
  const std::size_t worth = leaves * shape.layout.block_bytes() / kPartBytesMin;
  std::size_t wanted = (kPartsOfThread * threads + runs - 1) / std::max<std::size_t>(1, runs);
  while (wanted > 1 && wanted * runs % threads != 0) ++wanted;  // as many for each thread
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(std::min(worth, wanted), 1, kPartsMax));
}

void AttendScratch::reserve(const AttendShape& shape) {
  const std::uint32_t d = shape.layout.d;
  kernel_floats_.resize(std::max(kernel_floats_.size(), scratch_floats(d) + 16));
  queries_.resize(std::max(queries_.size(), std::size_t{kRowsMax} * d));
  visible_.resize(kRowsMax);
}

float* AttendScratch::kernel_floats() {
  const auto address = reinterpret_cast<std::uintptr_t>(kernel_floats_.data());
  return kernel_floats_.data() + (64 - address % 64) % 64 / sizeof(float);
}

Result<void> attend_range(const AttentionKernels& kernels,
                          const AttendShape& shape,
                          const Queries& queries,
                          std::span<const HeldLeaf> held,
                          NodeList& nodes,
                          AttendScratch& scratch,
                          const std::byte* next_block) {
  check_call(shape, queries);
  scratch.reserve(shape);
  const std::uint32_t rows = queries.tokens * shape.group;
  nodes.reset(rows, shape.layout.d);
  const TreeRange range = required_range(shape, queries.position);
  const std::span<const HeldLeaf> seen = range.is_empty() ? std::span<const HeldLeaf>{} : within(held, range);
  for (const HeldLeaf& one : seen)
    if (one.written < kLeafTokens) return missing(one.leaf, kLeafTokens, one.written);
  // Tiles outside and leaves inside: a tile's partials stay in L2 while the leaves stream by.
  for (std::uint32_t begin = 0; begin < rows;) {
    const RowTile tile = open_tile(shape, queries, begin, scratch);
    nodes.begin_rows(tile.begin, tile.count);
    for (std::size_t n = 0; n < seen.size(); ++n) {
      if (is_empty(seen[n].chosen)) {
        nodes.add_identity(seen[n].leaf - 1);
      } else {
        attend_tile(kernels, shape, queries, tile, seen[n], next_read(seen.subspan(n + 1), next_block),
                    nodes.add_leaf(seen[n].leaf - 1), scratch);
      }
      nodes.merge_siblings(kernels);
    }
    begin += tile.count;
  }
  return {};
}

void attend_previous(const AttentionKernels& kernels,
                     const AttendShape& shape,
                     const Queries& queries,
                     const HeldLeaf& previous,
                     NodeList& nodes,
                     AttendScratch& scratch) {
  check_call(shape, queries);
  CHECK(previous.leaf >= 1 && previous.leaf + 1 == leaf_of(queries.position)) << previous.leaf;
  scratch.reserve(shape);
  const std::uint32_t rows = queries.tokens * shape.group;
  nodes.reset(rows, shape.layout.d);
  for (std::uint32_t begin = 0; begin < rows;) {
    const RowTile tile = open_tile(shape, queries, begin, scratch);
    nodes.begin_rows(tile.begin, tile.count);
    attend_tile(kernels, shape, queries, tile, previous, nullptr, nodes.add_leaf(previous.leaf - 1), scratch);
    begin += tile.count;
  }
}

Result<void> RowPartials::attend_local(const AttentionKernels& kernels,
                                       const AttendShape& shape,
                                       const Queries& queries,
                                       std::span<const HeldLeaf> held,
                                       AttendScratch& scratch,
                                       PreviousLeaf previous) {
  check_call(shape, queries);
  scratch.reserve(shape);
  rows_ = 0;
  const std::uint32_t rows = queries.tokens * shape.group;
  const std::uint32_t newest = leaf_of(queries.position);
  const std::uint32_t last = queries.position + queries.tokens - 1;
  const std::uint32_t leaves[kPieces] = {0, newest - 1, newest};
  const bool repeats[kPieces] = {newest < 2, newest == 0, false};
  previous_elsewhere_.reset();
  if (previous == PreviousLeaf::kElsewhere) {
    CHECK(newest >= 2) << "leaf 0 never is elsewhere";
    previous_elsewhere_ = NodeName{0, newest - 2};
  }
  const HeldLeaf* here[kPieces] = {};
  for (std::uint32_t piece = 0; piece < kPieces; ++piece) {
    const std::uint32_t leaf = leaves[piece];
    // The first token sees furthest back, the last one furthest ahead.
    const bool is_seen =
        window_begin(shape, queries.position) < (leaf + 1) * kLeafTokens || (leaf == 0 && shape.rule.sinks > 0);
    has_piece_[piece] = !repeats[piece] && !(piece == kPrevious && previous_elsewhere_) && is_seen;
    if (!has_piece_[piece]) continue;
    const auto at =
        std::lower_bound(held.begin(), held.end(), leaf,
                         [](const HeldLeaf& one, std::uint32_t wanted) { return one.leaf < wanted; });
    const std::uint32_t needed = std::min(kLeafTokens, last + 1 - leaf * kLeafTokens);
    const bool is_here = at != held.end() && at->leaf == leaf;
    if (!is_here || at->written < needed) return missing(leaf, needed, is_here ? at->written : 0);
    here[piece] = &*at;
  }
  for (std::uint32_t piece = 0; piece < kPieces; ++piece) {
    if (!has_piece_[piece]) continue;
    const auto next = std::find_if(here + piece + 1, here + kPieces, [](const HeldLeaf* one) { return one != nullptr; });
    const std::byte* next_block = next != here + kPieces ? (*next)->block : nullptr;
    pieces_[piece].resize(rows, shape.layout.d);
    const PartialSpan out = pieces_[piece].span();
    for (std::uint32_t begin = 0; begin < rows;) {
      const RowTile tile = open_tile(shape, queries, begin, scratch);
      attend_tile(kernels, shape, queries, tile, *here[piece], next_block, rows_from(out, begin, shape.layout.d),
                  scratch);
      begin += tile.count;
    }
  }
  if (Result<void> ranged = attend_range(kernels, shape, queries, held, nodes_, scratch); !ranged)
    return ranged;
  shape_ = shape;
  range_ = required_range(shape, queries.position);
  rows_ = rows;
  return {};
}

Result<void> RowPartials::finish(const AttentionKernels& kernels,
                                 std::span<const TreeNode> others,
                                 float* out,
                                 std::size_t out_token_stride) {
  CHECK(rows_ > 0) << "finish without attend_local";
  const std::uint32_t d = shape_.layout.d;
  PartialView previous;
  if (has_piece_[kPrevious]) previous = pieces_[kPrevious].view();
  all_nodes_.clear();
  for (const TreeNode& other : others) {
    if (other.name == previous_elsewhere_) previous = other.partial;
    else all_nodes_.push_back(other);
  }
  if (previous_elsewhere_ && previous.sum == nullptr) return missing(previous_elsewhere_->index + 1, kLeafTokens, 0);
  for (std::size_t n = 0; n < nodes_.size(); ++n) all_nodes_.push_back(nodes_[n]);
  const Result<PartialView> tree = fold_.fold(kernels, range_, all_nodes_, rows_, d);
  if (!tree) return tree.error();

  total_.resize(rows_, d);
  PartialView total;
  const auto add = [&](PartialView next) {
    if (total.sum != nullptr) kernels.merge(rows_, d, total_.span(), total, next);
    total = total.sum != nullptr ? total_.view() : next;
  };
  if (has_piece_[kFirst]) add(pieces_[kFirst].view());
  if (tree->sum != nullptr) add(*tree);
  if (previous.sum != nullptr) add(previous);
  add(pieces_[kNewest].view());
  for (std::uint32_t row = 0; row < rows_; ++row) {
    float* to = out + row / shape_.group * out_token_stride + std::size_t{row % shape_.group} * d;
    kernels.normalise(d, total.sum + std::size_t{row} * d, total.weight[row], to);
  }
  return {};
}

}  // namespace longshore::attention
