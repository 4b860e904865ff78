#include "runtime/attention/partial_tree.h"

#include <algorithm>
#include <bit>

#include "runtime/attention/attention_kernels.h"
#include "runtime/base/check.h"

namespace longshore::attention {

void NodeList::reset(std::uint32_t rows, std::uint32_t d) {
  rows_ = rows;
  d_ = d;
  begin_rows(0, rows);
}

void NodeList::begin_rows(std::uint32_t begin, std::uint32_t count) {
  CHECK(begin <= rows_ && count <= rows_ - begin) << begin << " + " << count << " of " << rows_;
  names_.clear();
  identity_.clear();
  pass_begin_ = begin;
  pass_count_ = count;
}

PartialSpan NodeList::add_leaf(std::uint32_t tree_leaf) {
  add({0, tree_leaf}, false);
  return pass_rows(names_.size() - 1);
}

void NodeList::add_identity(std::uint32_t tree_leaf) {
  add({0, tree_leaf}, true);
  std::fill_n(pass_rows(names_.size() - 1).weight, pass_count_, 0.0f);
}

void NodeList::add(NodeName name, bool is_identity) {
  CHECK(names_.empty() || name.range().begin >= names_.back().range().end)
      << "tree leaf " << name.range().begin << " comes late";
  names_.push_back(name);
  identity_.push_back(is_identity);
  const std::size_t needed = names_.size() * partial_floats(rows_, d_);
  if (floats_.size() < needed) floats_.resize(needed);
}

void NodeList::append(const AttentionKernels& kernels, const NodeList& right) {
  CHECK(right.rows_ == rows_ && right.d_ == d_) << right.rows_ << " x " << right.d_ << " to " << rows_ << " x " << d_;
  pass_begin_ = 0;
  pass_count_ = rows_;
  for (std::size_t i = 0; i < right.size(); ++i) {
    add(right.names_[i], right.identity_[i]);
    std::copy_n(right.slot(i), partial_floats(rows_, d_), slot(names_.size() - 1));
    merge_siblings(kernels);
  }
}

void NodeList::merge_siblings(const AttentionKernels& kernels) {
  while (names_.size() > 1) {
    const NodeName right = names_.back();
    NodeName& left = names_[names_.size() - 2];
    if (left.level != right.level || left.index % 2 != 0 || left.index + 1 != right.index) return;
    const PartialSpan merged = pass_rows(names_.size() - 2);
    if (!identity_.back()) kernels.merge(pass_count_, d_, merged, merged, pass_rows(names_.size() - 1));
    identity_[names_.size() - 2] = identity_[names_.size() - 2] && identity_.back();
    left = {left.level + 1, left.index / 2};
    names_.pop_back();
    identity_.pop_back();
  }
}

namespace {

Error uncovered(TreeRange range, std::uint32_t from, std::uint32_t to) {
  return make_error(ErrorCode::kDataLoss, "tree leaves [", range.begin, ", ", range.end,
                    ") are not covered once each: the nodes given ",
                    from < to ? "leave out [" : "overlap in [", std::min(from, to), ", ", std::max(from, to),
                    "); recompute from the tokens");
}

// `order` becomes the nodes' indices in ascending order of what they cover, checked to be all of `range`
// once.
Result<void> order_and_check(TreeRange range,
                             std::span<const TreeNode> nodes,
                             std::vector<std::uint32_t>& order) {
  order.clear();
  for (std::uint32_t i = 0; i < nodes.size(); ++i) {
    const NodeName name = nodes[i].name;
    if (!name.is_valid() || name.range().begin < range.begin || name.range().end > range.end)
      return make_error(ErrorCode::kDataLoss, "node ", name.index, " of level ", name.level,
                        " is not within tree leaves [", range.begin, ", ", range.end, ")");
    order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return nodes[a].name.range().begin < nodes[b].name.range().begin;
  });
  std::uint32_t covered = range.begin;
  for (std::uint32_t i : order) {
    const TreeRange node = nodes[i].name.range();
    if (node.begin != covered) return uncovered(range, covered, node.begin);
    covered = node.end;
  }
  if (covered != range.end) return uncovered(range, covered, range.end);
  return {};
}

// The level of the lowest node that covers both tree leaves, left != right.
std::uint32_t level_of_meeting(std::uint32_t left, std::uint32_t right) {
  return static_cast<std::uint32_t>(std::bit_width(left ^ right));
}

}  // namespace

void TreeFold::merge_top(const AttentionKernels& kernels, std::uint32_t rows, std::uint32_t d) {
  const std::size_t below = stack_.size() - 2;
  if (merged_.size() <= below) merged_.resize(below + 1);
  merged_[below].resize(rows, d);
  kernels.merge(rows, d, merged_[below].span(), stack_[below].partial, stack_.back().partial);
  stack_[below].partial = merged_[below].view();
  stack_[below].last = stack_.back().last;
  stack_.pop_back();
}

// Neighbouring subtrees meet at the lowest node that covers both. Before a new one is put on the stack,
// everything that meets below the level at which it meets the top is complete: missing subtrees between them
// are the identity.
Result<PartialView> TreeFold::fold(const AttentionKernels& kernels,
                                   TreeRange range,
                                   std::span<const TreeNode> nodes,
                                   std::uint32_t rows,
                                   std::uint32_t d) {
  if (range.is_empty()) range.end = range.begin;
  if (Result<void> ordered = order_and_check(range, nodes, order_); !ordered) return ordered.error();
  stack_.clear();
  for (std::uint32_t i : order_) {
    const TreeRange node = nodes[i].name.range();
    const std::uint32_t level = stack_.empty() ? 0 : level_of_meeting(stack_.back().last, node.begin);
    while (stack_.size() > 1 && stack_.back().join_level < level) merge_top(kernels, rows, d);
    stack_.push_back({nodes[i].partial, node.end - 1, level});
  }
  while (stack_.size() > 1) merge_top(kernels, rows, d);
  return stack_.empty() ? PartialView{} : stack_.back().partial;
}

void cut_aligned(TreeRange range, std::span<std::uint32_t> cuts) {
  CHECK(cuts.size() >= 2);
  const std::uint32_t parts = static_cast<std::uint32_t>(cuts.size() - 1);
  const std::uint32_t length = range.is_empty() ? 0 : range.end - range.begin;
  // Rounding a cut moves it by at most half a step: a step of at most a quarter of a part keeps pieces within
  // a quarter.
  const std::uint32_t step = std::bit_floor(std::max(1u, length / parts / 4));
  cuts.front() = range.begin;
  for (std::uint32_t part = 1; part < parts; ++part) {
    const std::uint64_t even = range.begin + std::uint64_t{length} * part / parts;
    const std::uint32_t rounded = static_cast<std::uint32_t>((even + step / 2) / step * step);
    cuts[part] = std::clamp(rounded, cuts[part - 1], range.begin + length);
  }
  cuts.back() = range.begin + length;
}

}  // namespace longshore::attention
