#pragma once

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "transport/message.h"
#include "transport/wire/frame.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

// What travels per layer and attention node: rows of queries out, partials of tree nodes back. Floats lie
// behind all tables, each array at a multiple of 64 bytes of the frame, and are used in place on both sides.
// Shapes: t tokens of an item, G = Hq / Hkv, d head dim. Frames are little-endian and so must the host be.
namespace longshore::wire {

// What is asked about an item's share of leaves [1, leaf_end): attention over all of it; the logits of its units of 64
// positions, from which the asker chooses (retrieval/block_means.h); attention over the units that it chose; or, where all
// leaves below i - 1 of a row in leaf i are with one holder, attention over those that the holder chooses. Leaf i - 1 is no
// unit's, and attended to in any case but the second.
enum class QueryKind : std::uint8_t { kAttend, kScore, kAttendChosen, kChoose };

// One run of query rows of one sequence, all in one leaf.
struct QueryItem {
  SequenceId sequence;
  SequenceEpoch epoch;
  std::uint32_t position = 0;  // of the first row
  std::uint32_t tokens = 0;    // t, 1 to 128; position .. position + t - 1 lie in one leaf
  std::uint32_t leaf_end = 0;  // attend to the holder's share of leaves [1, leaf_end)
  std::span<const std::uint32_t>
      kv_heads;              // ascending, at least one: which of the model's KV heads are asked
  std::span<const float> q;  // [kv_heads, t, G, d], rotated and scaled as attention wants it
  QueryKind kind = QueryKind::kAttend;                // others: t is 1
  std::span<const std::byte> chosen = {};             // kAttendChosen: [kv_heads, chosen_bytes(leaf_end)]
  std::uint32_t units = 0;                            // kChoose: how many
};
// One bit a unit: bit u of a head's bytes (u % 8 of byte u / 8) is unit u % 2 of leaf u / 2, for leaves [0, leaf_end).
constexpr std::size_t chosen_bytes(std::uint32_t leaf_end) { return (std::size_t{leaf_end} * 2 + 7) / 8; }

// Views into the frame that it was decoded from, and into its own tables.
struct AttentionQuery {
  PlanGeneration generation;
  StepId step;
  std::uint64_t ask = 0;
  std::uint32_t layer = 0;
  std::uint32_t group = 0;     // G
  std::uint32_t head_dim = 0;  // d
  std::vector<QueryItem> items;
  std::vector<std::uint32_t> kv_heads;  // what the items' kv_heads view; move only as a whole
};

// One node of the merge tree over leaves 1, 2, ... renumbered from 0: `index` of `level` covers
// [index * 2^level, (index + 1) * 2^level). Unnormalised: see AttentionPartial.
struct PartialNode {
  std::uint32_t kv_head = 0;
  std::uint32_t level = 0;
  std::uint32_t index = 0;
  std::span<const float> sum;     // [t, G, d]
  std::span<const float> max;     // [t, G], natural log
  std::span<const float> weight;  // [t, G]
};

// Logits of the units of `leaves` held leaves from `leaf` on.
struct ScoredLeaves {
  std::uint32_t kv_head = 0;
  std::uint32_t leaf = 0;         // at least 1
  std::uint32_t leaves = 0;       // at least 1
  std::span<const float> logits;  // [G, 2 * leaves]
};

// The answer to item i of the query: its nodes or its scores, or why there are none (unknown sequence, missing leaf, stale
// epoch).
struct ReplyItem {
  SequenceId sequence;
  SequenceEpoch epoch;
  std::uint32_t tokens = 0;  // t
  std::optional<Error> error;
  std::vector<PartialNode> nodes;     // by KV head, then as they lie in the sequence
  std::vector<ScoredLeaves> scores;  // likewise
};

struct AttentionReply {
  PlanGeneration generation;
  StepId step;
  std::uint64_t ask = 0;
  std::uint32_t layer = 0;
  std::uint32_t group = 0;
  std::uint32_t head_dim = 0;
  std::optional<Error>
      error;  // of the query as a whole (stale generation, malformed): then there are no items
  std::vector<ReplyItem> items;
};

// Errors: those of open_frame; kInvalidArgument naming the field and its limit. The result views `frame`,
// which must start at a multiple of 64 and outlive it.
Result<AttentionQuery> decode_attention_query(std::span<const std::byte> frame);
Result<AttentionReply> decode_attention_reply(std::span<const std::byte> frame);

// Builds a query in place: describe the items, lay_out, fill in the rows, finish. Requires: limits of
// limits.h. One thread; after lay_out the arrays may be filled in from several.
class AttentionQueryWriter {
 public:
  struct Ids {
    PlanGeneration generation;
    StepId step;
    std::uint64_t ask = 0;
    std::uint32_t layer = 0;
    std::uint32_t group = 0;
    std::uint32_t head_dim = 0;
  };
  explicit AttentionQueryWriter(const Ids& ids) : ids_(ids) {}

  // Adds an item; its `q` and `chosen` are ignored. Returns its index.
  std::size_t add_item(const QueryItem& item);
  void lay_out(transport::MessagePool& pool);
  // [kv_heads, t, G, d], to be filled in after lay_out.
  std::span<float> q(std::size_t item);
  // [kv_heads, chosen_bytes(leaf_end)] of an item of kAttendChosen, likewise.
  std::span<std::byte> chosen(std::size_t item);
  // Checksums and hands out the message.
  transport::Message finish();

 private:
  struct Item {
    QueryItem meta;
    std::uint32_t heads_begin, heads_end;
    std::size_t q_offset, q_count, chosen_offset, chosen_count;
  };
  Ids ids_;
  std::vector<Item> items_;
  std::vector<std::uint32_t> kv_heads_;
  transport::Message message_;
};

// Likewise for a reply.
class AttentionReplyWriter {
 public:
  using Ids = AttentionQueryWriter::Ids;
  struct Node {
    std::span<float> sum, max, weight;
  };
  explicit AttentionReplyWriter(const Ids& ids) : ids_(ids) {}

  // The next item in the query's order; nodes that follow are its own.
  void add_item(SequenceId sequence, SequenceEpoch epoch, std::uint32_t tokens);
  void add_failed_item(SequenceId sequence, SequenceEpoch epoch, const Error& error);
  // Returns the node's index over the whole reply. Requires: add_item before.
  std::size_t add_node(std::uint32_t kv_head, std::uint32_t level, std::uint32_t index);
  // Likewise for the logits of some leaves.
  std::size_t add_scores(std::uint32_t kv_head, std::uint32_t leaf, std::uint32_t leaves);
  void lay_out(transport::MessagePool& pool);
  Node node(std::size_t node);
  // [G, 2 * leaves]
  std::span<float> scores(std::size_t scores);
  transport::Message finish();

 private:
  struct Item {
    SequenceId sequence;
    SequenceEpoch epoch;
    std::uint32_t tokens, nodes, scores;
    std::optional<Error> error;
  };
  struct NodeMeta {
    std::uint32_t kv_head, level, index, tokens;
    std::size_t offset;
  };
  Ids ids_;
  std::vector<Item> items_;
  struct ScoresMeta {
    std::uint32_t kv_head, leaf, leaves;
    std::size_t offset;
  };
  std::vector<NodeMeta> nodes_;
  std::vector<ScoresMeta> scores_;
  transport::Message message_;
};

// A reply that refuses the whole query.
transport::Message encode_refusal(const AttentionReplyWriter::Ids& ids,
                                  const Error& error,
                                  transport::MessagePool& pool);

}  // namespace longshore::wire
