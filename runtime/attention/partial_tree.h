#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/attention/partial.h"
#include "runtime/base/result.h"

namespace longshore::attention {

// The middle of a sequence is summed along one fixed binary tree: for rows in leaf i, T is the tree over
// leaves 1 .. i-2, renumbered from 0 (tree leaf k is leaf k + 1). Node (level, index) covers tree leaves
// [index << level, (index + 1) << level) and its partial is the merge of its two children. Merging is
// commutative bit for bit but not associative: this tree is what makes every split over holders give the same
// bits.

// Tree leaves [begin, end).
struct TreeRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool is_empty() const { return begin >= end; }
  bool operator==(const TreeRange&) const = default;
};

struct NodeName {
  std::uint32_t level = 0;
  std::uint32_t index = 0;
  // Requires: level < 32 and a range that fits 32 bits, as is_valid() says.
  TreeRange range() const { return {index << level, (index + 1) << level}; }
  bool is_valid() const { return level < 31 && index < (std::uint32_t{1} << (31 - level)); }
  bool operator==(const NodeName&) const = default;
};

// A node's partial, for all rows of a call; whoever made it owns the memory.
struct TreeNode {
  NodeName name;
  PartialView partial;
};

// The nodes of one holder for R rows: leaves are put in ascending order and two siblings become their parent,
// so what remains are the maximal aligned subtrees of what was put. Rows may be done in several passes, so
// that the partials being merged stay in the processor's cache; each pass puts the same leaves. Memory is
// kept between uses. One thread.
class NodeList {
 public:
  // Starts with no node and one pass over all rows.
  void reset(std::uint32_t rows, std::uint32_t d);
  // Starts a pass over rows [begin, begin + count).
  void begin_rows(std::uint32_t begin, std::uint32_t count);

  std::uint32_t rows() const { return rows_; }
  std::uint32_t d() const { return d_; }
  std::size_t size() const { return names_.size(); }
  TreeNode operator[](std::size_t i) const { return {names_[i], partial_in(slot(i), rows_, d_)}; }
  // All its leaves are: the weights are 0, the rest was never written.
  bool is_identity(std::size_t i) const { return identity_[i]; }

  // Makes room for one more tree leaf, right of all before; fill the span, which holds the rows of this pass.
  PartialSpan add_leaf(std::uint32_t tree_leaf);
  // Likewise for a leaf of which nobody reads a key.
  void add_identity(std::uint32_t tree_leaf);
  // Merges the last two nodes while they are siblings.
  void merge_siblings(const AttentionKernels& kernels);
  // Puts the nodes of a list, all right of those here: what remains is as if one list had been given every leaf. Requires:
  // the same rows and d; all passes of both done.
  void append(const AttentionKernels& kernels, const NodeList& right);

 private:
  void add(NodeName name, bool is_identity);
  float* slot(std::size_t i) { return floats_.data() + i * partial_floats(rows_, d_); }
  const float* slot(std::size_t i) const { return floats_.data() + i * partial_floats(rows_, d_); }
  PartialSpan pass_rows(std::size_t i) { return rows_from(partial_in(slot(i), rows_, d_), pass_begin_, d_); }

  std::vector<NodeName> names_;
  std::vector<bool> identity_;  // by node
  std::vector<float> floats_;
  std::uint32_t rows_ = 0;
  std::uint32_t d_ = 0;
  std::uint32_t pass_begin_ = 0;
  std::uint32_t pass_count_ = 0;
};

// Folds nodes, from any holders and in any order, into the partial of the whole tree: the same bits as if one
// process had put every leaf of `range`. Tree leaves outside `range` are the identity. Memory is kept between
// uses. One thread.
class TreeFold {
 public:
  // The partial of the tree; it points into a node or into this object until the next call. No view (null
  // sum) when the range is empty. Errors: kDataLoss unless the nodes are well formed and cover `range`
  // exactly: once each, with no gap, and nothing outside it.
  Result<PartialView> fold(const AttentionKernels& kernels,
                           TreeRange range,
                           std::span<const TreeNode> nodes,
                           std::uint32_t rows,
                           std::uint32_t d);

 private:
  struct Pending {
    PartialView partial;
    std::uint32_t last = 0;        // last tree leaf that it covers
    std::uint32_t join_level = 0;  // level at which it meets what is below it on the stack
  };
  void merge_top(const AttentionKernels& kernels, std::uint32_t rows, std::uint32_t d);

  std::vector<std::uint32_t> order_;
  std::vector<Pending> stack_;
  std::vector<AttentionPartial> merged_;  // one for each depth of the stack
};

// Cuts `range` into `parts` pieces of about equal length on multiples of the largest power of two that
// balance allows, so that pieces leave few nodes: cuts [parts + 1], ascending, first range.begin, last
// range.end.
void cut_aligned(TreeRange range, std::span<std::uint32_t> cuts);

}  // namespace longshore::attention
