#include "runtime/base/check.h"
#include "runtime/plan/leaf.h"
#include "transport/wire/attention_messages.h"
#include "transport/wire/limits.h"
#include "transport/wire/reader.h"
#include "transport/wire/writer.h"

#include <utility>

namespace longshore::wire {
namespace {

constexpr std::size_t kItemBytes = 33;
constexpr std::size_t kFloatAlignment = 64;

// Ascending, as a merge plan walks them; so no head is asked twice.
bool is_ascending(std::span<const std::uint32_t> heads) {
  for (std::size_t i = 1; i < heads.size(); ++i)
    if (heads[i] <= heads[i - 1]) return false;
  return true;
}

QueryItem read_item(Reader& reader, std::uint32_t& heads) {
  QueryItem item;
  item.sequence.value = reader.get<std::uint64_t>("sequence");
  item.epoch.value = reader.get<std::uint32_t>("epoch");
  item.position = reader.get<std::uint32_t>("position");
  item.tokens = reader.in_range<std::uint32_t>("tokens", 1, kLeafTokens);
  item.leaf_end = reader.get<std::uint32_t>("leaf_end");
  heads = reader.in_range<std::uint32_t>("heads of item", 1, kKvHeadsMax);
  item.kind = static_cast<QueryKind>(
      reader.in_range<std::uint8_t>("kind", 0, static_cast<std::uint8_t>(QueryKind::kChoose)));
  item.units = reader.get<std::uint32_t>("units");
  if (item.kind != QueryKind::kAttend && item.tokens != 1)
    reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionQuery: ", item.tokens,
                             " tokens choose units; each chooses its own"));
  if (item.position % kLeafTokens + item.tokens > kLeafTokens)
    reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionQuery: ", item.tokens,
                             " tokens at position ", item.position, " cross a leaf of ", kLeafTokens));
  // A row of leaf i may see leaves below i - 1 at most through its holders (the newest full leaf is local).
  if (item.leaf_end > leaf_of(item.position))
    reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionQuery: leaf_end ", item.leaf_end,
                             " lies beyond position ", item.position));
  return item;
}

}  // namespace

Result<AttentionQuery> decode_attention_query(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, MessageKind::kAttentionQuery);
  if (!header) return header.error();
  Reader reader("AttentionQuery", frame.subspan(kFrameHeaderBytes));
  AttentionQuery query;
  query.generation = header->generation;
  query.step = header->step;
  query.ask = header->ask;
  query.layer = header->layer;
  if (query.layer >= kLayersMax)
    reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionQuery: layer is ", query.layer,
                             "; at most ", kLayersMax - 1));
  query.group = reader.in_range<std::uint32_t>("group", 1, kGroupMax);
  query.head_dim = reader.in_range<std::uint32_t>("head_dim", 1, kHeadDimMax);
  const std::uint32_t items = reader.count("items", kItemsMax, kItemBytes);
  const std::uint32_t heads_total = reader.count("heads", kItemsMax * kKvHeadsMax, sizeof(std::uint32_t));
  query.items.reserve(items);
  query.kv_heads.reserve(heads_total);

  std::vector<std::uint32_t> heads_of(items);
  std::uint64_t heads_stated = 0;
  for (std::uint32_t i = 0; i < items; ++i) {
    query.items.push_back(read_item(reader, heads_of[i]));
    heads_stated += heads_of[i];
  }
  if (heads_stated != heads_total)
    reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionQuery: items have ", heads_stated,
                             " heads together, the table ", heads_total));
  for (std::uint32_t i = 0; i < heads_total && !reader.bad(); ++i)
    query.kv_heads.push_back(reader.in_range<std::uint32_t>("kv_head", 0, kKvHeadsMax - 1));

  std::size_t heads_begin = 0;
  for (std::uint32_t i = 0; i < items && !reader.bad(); ++i) {
    QueryItem& item = query.items[i];
    item.kv_heads = std::span(query.kv_heads).subspan(heads_begin, heads_of[i]);
    heads_begin += heads_of[i];
    if (!is_ascending(item.kv_heads))
      reader.refuse(make_error(ErrorCode::kInvalidArgument, "AttentionQuery: KV heads of item ", i,
                               " are not ascending"));
    if (item.kind == QueryKind::kAttendChosen)
      item.chosen = reader.view("chosen", heads_of[i] * chosen_bytes(item.leaf_end));
    reader.align(kFloatAlignment);
    const std::size_t floats = std::size_t{heads_of[i]} * item.tokens * query.group * query.head_dim;
    const std::span<const std::byte> q = reader.view("q", floats * sizeof(float));
    item.q = {reinterpret_cast<const float*>(q.data()), q.size() / sizeof(float)};
  }
  if (Result<void> end = reader.finish(); !end) return end.error();
  return query;
}

std::size_t AttentionQueryWriter::add_item(const QueryItem& item) {
  CHECK(item.tokens >= 1 && item.position % kLeafTokens + item.tokens <= kLeafTokens)
      << item.tokens << " tokens at " << item.position;
  CHECK(!item.kv_heads.empty() && is_ascending(item.kv_heads) && item.kv_heads.back() < kKvHeadsMax);
  CHECK(item.leaf_end <= leaf_of(item.position)) << item.leaf_end << " at " << item.position;
  CHECK(item.kind == QueryKind::kAttend || item.tokens == 1) << item.tokens;
  const auto begin = static_cast<std::uint32_t>(kv_heads_.size());
  kv_heads_.insert(kv_heads_.end(), item.kv_heads.begin(), item.kv_heads.end());
  items_.push_back({item, begin, static_cast<std::uint32_t>(kv_heads_.size()), 0, 0, 0, 0});
  items_.back().meta.kv_heads = {};  // the caller's span may end; ours is [begin, end) of kv_heads_
  return items_.size() - 1;
}

void AttentionQueryWriter::lay_out(transport::MessagePool& pool) {
  CHECK(ids_.layer < kLayersMax && ids_.group >= 1 && ids_.group <= kGroupMax && ids_.head_dim >= 1 &&
        ids_.head_dim <= kHeadDimMax)
      << "layer " << ids_.layer << " group " << ids_.group << " head_dim " << ids_.head_dim;
  std::size_t rows = 0, chosen = 0;
  for (Item& item : items_) {
    const std::size_t heads = item.heads_end - item.heads_begin;
    rows += heads * item.meta.tokens * ids_.group;
    if (item.meta.kind == QueryKind::kAttendChosen) item.chosen_count = heads * chosen_bytes(item.meta.leaf_end);
    chosen += item.chosen_count;
  }
  Writer writer(pool, chosen + items_.size() * (kItemBytes + kFloatAlignment) + kv_heads_.size() * sizeof(std::uint32_t) +
                          rows * ids_.head_dim * sizeof(float) + kFloatAlignment);
  writer.put(ids_.group);
  writer.put(ids_.head_dim);
  writer.count(items_.size(), kItemsMax);
  writer.count(kv_heads_.size(), kItemsMax * kKvHeadsMax);
  for (const Item& item : items_) {
    writer.put(item.meta.sequence.value);
    writer.put(item.meta.epoch.value);
    writer.put(item.meta.position);
    writer.put(item.meta.tokens);
    writer.put(item.meta.leaf_end);
    writer.put(item.heads_end - item.heads_begin);
    writer.put(static_cast<std::uint8_t>(item.meta.kind));
    writer.put(item.meta.units);
  }
  for (const std::uint32_t head : kv_heads_) writer.put(head);
  for (Item& item : items_) {
    item.chosen_offset = kFrameHeaderBytes + writer.size();
    writer.skip(item.chosen_count);
    writer.align(kFloatAlignment);
    item.q_offset = kFrameHeaderBytes + writer.size();
    item.q_count =
        std::size_t{item.heads_end - item.heads_begin} * item.meta.tokens * ids_.group * ids_.head_dim;
    writer.skip(item.q_count * sizeof(float));
  }
  message_ = writer.take();
}

std::span<float> AttentionQueryWriter::q(std::size_t item) {
  CHECK(item < items_.size() && message_.size() > 0)
      << "item " << item << " before lay_out or beyond the end";
  return {reinterpret_cast<float*>(message_.data() + items_[item].q_offset), items_[item].q_count};
}

std::span<std::byte> AttentionQueryWriter::chosen(std::size_t item) {
  CHECK(item < items_.size() && message_.size() > 0)
      << "item " << item << " before lay_out or beyond the end";
  return {message_.data() + items_[item].chosen_offset, items_[item].chosen_count};
}

transport::Message AttentionQueryWriter::finish() {
  FrameHeader header;
  header.kind = MessageKind::kAttentionQuery;
  header.generation = ids_.generation;
  header.step = ids_.step;
  header.ask = ids_.ask;
  header.layer = ids_.layer;
  seal_frame(header, message_);
  return std::move(message_);
}

}  // namespace longshore::wire
