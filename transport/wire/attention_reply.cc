#include "runtime/base/check.h"
#include "runtime/plan/leaf.h"
#include "transport/wire/attention_messages.h"
#include "transport/wire/error_field.h"
#include "transport/wire/limits.h"
#include "transport/wire/reader.h"
#include "transport/wire/writer.h"

#include <utility>

namespace longshore::wire {
namespace {

constexpr std::size_t kItemBytesMin = 25;
constexpr std::size_t kNodeBytes = 12;
constexpr std::size_t kScoresBytes = 12;
constexpr std::uint32_t kUnitsOfLeaf = 2;
constexpr std::size_t kFloatAlignment = 64;
constexpr std::uint64_t kLeavesMax = std::uint64_t{1} << 32;

FrameHeader reply_header(const AttentionReplyWriter::Ids& ids) {
  FrameHeader header;
  header.kind = MessageKind::kAttentionReply;
  header.generation = ids.generation;
  header.step = ids.step;
  header.ask = ids.ask;
  header.layer = ids.layer;
  return header;
}

std::uint64_t first_leaf(const PartialNode& node) { return std::uint64_t{node.index} << node.level; }
std::uint64_t end_leaf(const PartialNode& node) { return (std::uint64_t{node.index} + 1) << node.level; }

// By KV head, then by place, without overlap: so that a reply can be merged as it is walked, and a leaf
// counts once.
bool follows(const PartialNode& node, const PartialNode& before) {
  if (node.kv_head != before.kv_head) return node.kv_head > before.kv_head;
  return first_leaf(node) >= end_leaf(before);
}

void read_items(Reader& reader,
                std::uint32_t count,
                AttentionReply& reply,
                std::vector<std::uint32_t>& nodes_of,
                std::vector<std::uint32_t>& scores_of) {
  for (std::uint32_t i = 0; i < count && !reader.bad(); ++i) {
    ReplyItem item;
    item.sequence.value = reader.get<std::uint64_t>("sequence");
    item.epoch.value = reader.get<std::uint32_t>("epoch");
    item.tokens = reader.in_range<std::uint32_t>("tokens", 0, kLeafTokens);
    nodes_of.push_back(reader.in_range<std::uint32_t>("nodes of item", 0, kNodesMax));
    scores_of.push_back(reader.in_range<std::uint32_t>("scores of item", 0, kNodesMax));
    item.error = get_error(reader, "error of item");
    if (item.error ? nodes_of.back() + scores_of.back() > 0 : item.tokens == 0)
      reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionReply: item ", i,
                               " must have either tokens or an error"));
    reply.items.push_back(std::move(item));
  }
}

void read_nodes(Reader& reader, AttentionReply& reply, const std::vector<std::uint32_t>& nodes_of) {
  for (std::size_t i = 0; i < reply.items.size() && !reader.bad(); ++i) {
    std::vector<PartialNode>& nodes = reply.items[i].nodes;
    nodes.reserve(nodes_of[i]);
    for (std::uint32_t n = 0; n < nodes_of[i] && !reader.bad(); ++n) {
      PartialNode node;
      node.kv_head = reader.in_range<std::uint32_t>("kv_head", 0, kKvHeadsMax - 1);
      node.level = reader.in_range<std::uint32_t>("level", 0, kTreeLevelMax);
      node.index = reader.get<std::uint32_t>("index");
      if (end_leaf(node) > kLeavesMax || (n > 0 && !follows(node, nodes.back())))
        reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionReply: node ", n, " of item ", i,
                                 " (head ", node.kv_head, ", level ", node.level, ", index ", node.index,
                                 ") is out of range or order"));
      nodes.push_back(node);
    }
  }
}

// Ascending by KV head and leaf, without overlap.
void read_scores(Reader& reader, AttentionReply& reply, const std::vector<std::uint32_t>& scores_of) {
  for (std::size_t i = 0; i < reply.items.size() && !reader.bad(); ++i) {
    std::vector<ScoredLeaves>& scores = reply.items[i].scores;
    scores.reserve(scores_of[i]);
    for (std::uint32_t n = 0; n < scores_of[i] && !reader.bad(); ++n) {
      ScoredLeaves run;
      run.kv_head = reader.in_range<std::uint32_t>("kv_head", 0, kKvHeadsMax - 1);
      run.leaf = reader.in_range<std::uint32_t>("leaf", 1, kPrefixLeavesMax);
      run.leaves = reader.in_range<std::uint32_t>("leaves", 1, kPrefixLeavesMax);
      if (n > 0 && (run.kv_head < scores.back().kv_head ||
                    (run.kv_head == scores.back().kv_head && run.leaf < scores.back().leaf + scores.back().leaves)))
        reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionReply: scores ", n, " of item ", i,
                                 " (head ", run.kv_head, ", leaf ", run.leaf, ") are out of order"));
      scores.push_back(run);
    }
  }
}

std::span<const float> read_floats(Reader& reader, std::string_view field, std::size_t count) {
  const std::span<const std::byte> bytes = reader.view(field, count * sizeof(float));
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

}  // namespace

Result<AttentionReply> decode_attention_reply(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, MessageKind::kAttentionReply);
  if (!header) return header.error();
  Reader reader("AttentionReply", frame.subspan(kFrameHeaderBytes));
  AttentionReply reply;
  reply.generation = header->generation;
  reply.step = header->step;
  reply.ask = header->ask;
  reply.layer = header->layer;
  if (reply.layer >= kLayersMax)
    reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionReply: layer is ", reply.layer,
                             "; at most ", kLayersMax - 1));
  reply.group = reader.in_range<std::uint32_t>("group", 1, kGroupMax);
  reply.head_dim = reader.in_range<std::uint32_t>("head_dim", 1, kHeadDimMax);
  reply.error = get_error(reader, "error");
  const std::uint32_t items = reader.count("items", kItemsMax, kItemBytesMin);
  const std::uint32_t nodes_total = reader.count("nodes", kNodesMax, kNodeBytes);
  const std::uint32_t scores_total = reader.count("scores", kNodesMax, kScoresBytes);
  if (reply.error && items > 0)
    reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionReply: a refusal has items"));

  std::vector<std::uint32_t> nodes_of, scores_of;
  reply.items.reserve(items);
  nodes_of.reserve(items);
  scores_of.reserve(items);
  read_items(reader, items, reply, nodes_of, scores_of);
  std::uint64_t nodes_stated = 0, scores_stated = 0;
  for (const std::uint32_t nodes : nodes_of) nodes_stated += nodes;
  for (const std::uint32_t scores : scores_of) scores_stated += scores;
  if (nodes_stated != nodes_total || scores_stated != scores_total)
    reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionReply: items have ", nodes_stated, " nodes and ",
                             scores_stated, " scores together, the tables ", nodes_total, " and ", scores_total));
  read_nodes(reader, reply, nodes_of);
  read_scores(reader, reply, scores_of);

  for (ReplyItem& item : reply.items) {
    const std::size_t rows = std::size_t{item.tokens} * reply.group;
    for (PartialNode& node : item.nodes) {
      reader.align(kFloatAlignment);
      node.sum = read_floats(reader, "sum", rows * reply.head_dim);
      node.max = read_floats(reader, "max", rows);
      node.weight = read_floats(reader, "weight", rows);
    }
  }
  for (ReplyItem& item : reply.items)
    for (ScoredLeaves& run : item.scores) {
      reader.align(kFloatAlignment);
      run.logits = read_floats(reader, "logits", std::size_t{reply.group} * kUnitsOfLeaf * run.leaves);
    }
  if (Result<void> end = reader.finish(); !end) return end.error();
  return reply;
}

void AttentionReplyWriter::add_item(SequenceId sequence, SequenceEpoch epoch, std::uint32_t tokens) {
  CHECK(tokens >= 1 && tokens <= kLeafTokens) << tokens;
  items_.push_back({sequence, epoch, tokens, 0, 0, std::nullopt});
}

void AttentionReplyWriter::add_failed_item(SequenceId sequence, SequenceEpoch epoch, const Error& error) {
  items_.push_back({sequence, epoch, 0, 0, 0, error});
}

std::size_t AttentionReplyWriter::add_node(std::uint32_t kv_head, std::uint32_t level, std::uint32_t index) {
  CHECK(!items_.empty() && !items_.back().error) << "a node needs an item";
  CHECK(kv_head < kKvHeadsMax && level <= kTreeLevelMax) << "head " << kv_head << " level " << level;
  nodes_.push_back({kv_head, level, index, items_.back().tokens, 0});
  ++items_.back().nodes;
  return nodes_.size() - 1;
}

std::size_t AttentionReplyWriter::add_scores(std::uint32_t kv_head, std::uint32_t leaf, std::uint32_t leaves) {
  CHECK(!items_.empty() && !items_.back().error) << "scores need an item";
  CHECK(kv_head < kKvHeadsMax && leaf >= 1 && leaves >= 1) << "head " << kv_head << " leaf " << leaf;
  scores_.push_back({kv_head, leaf, leaves, 0});
  ++items_.back().scores;
  return scores_.size() - 1;
}

void AttentionReplyWriter::lay_out(transport::MessagePool& pool) {
  std::size_t rows = 0, scored = 0;
  for (const ScoresMeta& run : scores_) scored += std::size_t{run.leaves} * kUnitsOfLeaf * ids_.group;
  for (const NodeMeta& node : nodes_) rows += std::size_t{node.tokens} * ids_.group;
  Writer writer(pool, items_.size() * kItemBytesMin + nodes_.size() * (kNodeBytes + kFloatAlignment) +
                          rows * (ids_.head_dim + 2) * sizeof(float) +
                          scores_.size() * (kScoresBytes + kFloatAlignment) + scored * sizeof(float) + kFloatAlignment);
  writer.put(ids_.group);
  writer.put(ids_.head_dim);
  put_error(writer, std::nullopt);
  writer.count(items_.size(), kItemsMax);
  writer.count(nodes_.size(), kNodesMax);
  writer.count(scores_.size(), kNodesMax);
  for (const Item& item : items_) {
    writer.put(item.sequence.value);
    writer.put(item.epoch.value);
    writer.put(item.tokens);
    writer.put(item.nodes);
    writer.put(item.scores);
    put_error(writer, item.error);
  }
  for (const NodeMeta& node : nodes_) {
    writer.put(node.kv_head);
    writer.put(node.level);
    writer.put(node.index);
  }
  for (const ScoresMeta& run : scores_) {
    writer.put(run.kv_head);
    writer.put(run.leaf);
    writer.put(run.leaves);
  }
  for (NodeMeta& node : nodes_) {
    writer.align(kFloatAlignment);
    node.offset = kFrameHeaderBytes + writer.size();
    writer.skip(std::size_t{node.tokens} * ids_.group * (ids_.head_dim + 2) * sizeof(float));
  }
  for (ScoresMeta& run : scores_) {
    writer.align(kFloatAlignment);
    run.offset = kFrameHeaderBytes + writer.size();
    writer.skip(std::size_t{run.leaves} * kUnitsOfLeaf * ids_.group * sizeof(float));
  }
  message_ = writer.take();
}

AttentionReplyWriter::Node AttentionReplyWriter::node(std::size_t node) {
  CHECK(node < nodes_.size() && message_.size() > 0)
      << "node " << node << " before lay_out or beyond the end";
  const std::size_t rows = std::size_t{nodes_[node].tokens} * ids_.group;
  float* sum = reinterpret_cast<float*>(message_.data() + nodes_[node].offset);
  float* max = sum + rows * ids_.head_dim;
  return {{sum, rows * ids_.head_dim}, {max, rows}, {max + rows, rows}};
}

std::span<float> AttentionReplyWriter::scores(std::size_t scores) {
  CHECK(scores < scores_.size() && message_.size() > 0)
      << "scores " << scores << " before lay_out or beyond the end";
  return {reinterpret_cast<float*>(message_.data() + scores_[scores].offset),
          std::size_t{scores_[scores].leaves} * kUnitsOfLeaf * ids_.group};
}

transport::Message AttentionReplyWriter::finish() {
  seal_frame(reply_header(ids_), message_);
  return std::move(message_);
}

transport::Message encode_refusal(const AttentionReplyWriter::Ids& ids,
                                  const Error& error,
                                  transport::MessagePool& pool) {
  Writer writer(pool);
  writer.put(ids.group);
  writer.put(ids.head_dim);
  put_error(writer, error);
  writer.count(0, kItemsMax);
  writer.count(0, kNodesMax);
  writer.count(0, kNodesMax);
  return writer.finish(reply_header(ids));
}

}  // namespace longshore::wire
