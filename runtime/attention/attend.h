#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/attention/attention_kernels.h"
#include "runtime/attention/partial.h"
#include "runtime/attention/partial_tree.h"
#include "runtime/base/result.h"
#include "runtime/kv/kv_codec.h"
#include "runtime/plan/head_plan.h"

namespace longshore::attention {

// Attention of some tokens of one sequence in one layer over one KV head. All tokens lie in one leaf i, so
// they share the tree: result = ((leaf 0 + T) + leaf i-1) + leaf i, where T is the tree over leaves 1 .. i-2
// and leaves that repeat (i = 0: leaf i-1 and leaf 0; i = 1: leaf 0) count once. Whoever holds leaves of T
// answers with nodes; the compute node holds leaf 0, i-1 and i, and completes the sum. Parallelism is
// outside: over sequences, KV heads and pieces of T.

struct AttendShape {
  kv::KvLayout layout;
  std::uint32_t group = 1;   // G, query heads of this KV head
  HeadRule rule = {};        // what a token sees
  float softcap = 0;         // see LeafTask
};

// The queries of tokens at positions [position, position + tokens), all in one leaf.
struct Queries {
  const float* q = nullptr;      // [tokens, G, d], already multiplied by the softmax scale
  std::size_t token_stride = 0;  // floats from one token's first head to the next token's; at least G * d
  std::uint32_t position = 0;
  std::uint32_t tokens = 0;  // 1 to 128
};

// A leaf whose block this process holds.
struct HeldLeaf {
  std::uint32_t leaf = 0;     // position / 128
  std::uint32_t written = 0;  // positions that have been appended, 1 to 128
  const std::byte* block = nullptr;
  KeyRange chosen = {0, kLeafTokens};  // the positions that a selector left to be seen; empty: the leaf is not read
};

// What all holders together must cover, once each, for queries whose first token is at `position`: the tree
// leaves [max(1, first / 128) - 1, max(i - 2, 0)), where first = rule.window_begin(position) and i = position / 128. Leaves
// of T before it are the identity for every row of the call and must not be named.
TreeRange required_range(const AttendShape& shape, std::uint32_t position);

// Memory that attending needs besides its results; one per thread, reused. Grows to what a shape needs and
// stays.
class AttendScratch {
 public:
  void reserve(const AttendShape& shape);
  float* kernel_floats();                             // scratch_floats(d), 64-byte aligned
  float* queries() { return queries_.data(); }        // [kRowsMax, d]
  std::span<KeyRange> visible() { return visible_; }  // [kRowsMax]

 private:
  std::vector<float> kernel_floats_;
  std::vector<float> queries_;
  std::vector<KeyRange> visible_;
};

// Into how many pieces to cut each of `runs` runs of at most `leaves` leaves that `threads` share: so many that all have
// work until the end, none of less than some 10 us of reading. 1 to kPartsMax.
constexpr std::uint32_t kPartsMax = 16;
std::uint32_t parts_of(const AttendShape& shape, std::size_t leaves, std::size_t runs, unsigned threads);

// What a holder runs: the nodes of the leaves of T that it holds and the rows see, as maximal aligned
// subtrees. `held` is ascending by leaf; leaves outside required_range() (leaf 0, i-1 and i among them) are
// passed over, so a piece of a list may be given to each of several threads (cut_aligned() says where to
// cut). `next_block` is what the thread will probably read next: the last leaf fetches its beginning. Errors: kDataLoss
// when a visible position of a held leaf was never written.
Result<void> attend_range(const AttentionKernels& kernels,
                          const AttendShape& shape,
                          const Queries& queries,
                          std::span<const HeldLeaf> held,
                          NodeList& nodes,
                          AttendScratch& scratch,
                          const std::byte* next_block = nullptr);

// What a holder runs that has leaf i-1 of the queries in the stead of the compute node: its partial alone, named as the
// tree leaf behind required_range().
void attend_previous(const AttentionKernels& kernels,
                     const AttendShape& shape,
                     const Queries& queries,
                     const HeldLeaf& previous,
                     NodeList& nodes,
                     AttendScratch& scratch);

// Whether leaf i-1 is in the compute node's own memory, or its partial comes from a holder.
enum class PreviousLeaf { kHere, kElsewhere };

// What the compute node holds of one call, in pieces, until the others' nodes are there. Reusable.
class RowPartials {
 public:
  // Starts a call: computes leaf 0, i-1 and i, and the nodes of those leaves of T that `held` lists (perhaps
  // none). Errors: kDataLoss when leaf 0, i-1 or i is seen by a row and is not in `held`, or was not written
  // so far.
  Result<void> attend_local(const AttentionKernels& kernels,
                            const AttendShape& shape,
                            const Queries& queries,
                            std::span<const HeldLeaf> held,
                            AttendScratch& scratch,
                            PreviousLeaf previous = PreviousLeaf::kHere);

  // Adds the others' nodes, given in any order, and divides: out [tokens, G, d] with its own stride between
  // tokens. The nodes must hold for the same queries; that of leaf i-1 is among them where it is elsewhere. Errors: kDataLoss unless own and given nodes cover
  // required_range() exactly once; `out` is then untouched. May be called again with other nodes.
  Result<void> finish(const AttentionKernels& kernels,
                      std::span<const TreeNode> others,
                      float* out,
                      std::size_t out_token_stride);

  std::uint32_t rows() const { return rows_; }
  const NodeList& own_nodes() const { return nodes_; }

 private:
  // Leaves 0, i-1 and i.
  enum Piece : std::uint32_t { kFirst, kPrevious, kNewest, kPieces };

  AttendShape shape_;
  std::uint32_t rows_ = 0;
  TreeRange range_;
  AttentionPartial pieces_[kPieces];
  bool has_piece_[kPieces] = {};
  std::optional<NodeName> previous_elsewhere_;
  NodeList nodes_;
  std::vector<TreeNode> all_nodes_;
  TreeFold fold_;
  AttentionPartial total_;
};

}  // namespace longshore::attention
