// How queries are answered: which leaves, attended on which threads, and what goes back.
#include <algorithm>
#include <cstring>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/plan/leaf.h"
#include "workers/attention/attention_node.h"

namespace longshore::attention_node {

void AttentionNode::on_query(transport::PeerId peer, std::span<const std::byte> frame) {
  const SystemClock clock;
  const TimePoint start = clock.now();
  const Result<wire::AttentionQuery> query = wire::decode_attention_query(frame);
  if (!query) {
    log::warn("{}: closing a peer whose query cannot be read: {}", name_, query.error().message);
    on_peer_lost(peer, query.error());
    transport_.close(peer);
    return;
  }
  if (const std::optional<Error> wrong = check(*query)) {
    send(peer, wire::encode_refusal({query->generation, query->step, query->ask, query->layer, query->group,
                                     query->head_dim},
                                    *wrong, transport_.messages()));
    return;
  }
  if (answers_.size() < query->items.size()) answers_.resize(query->items.size());
  std::vector<std::optional<Error>> errors(query->items.size());
  for (std::size_t i = 0; i < query->items.size(); ++i) errors[i] = find_leaves(peer, *query, i);
  attend(*query, errors);
  send(peer, reply(*query, errors));
  if (std::all_of(query->items.begin(), query->items.end(), [](const auto& item) { return item.leaf_end <= 1; })) {
    probes_.add();
    return;
  }
  queries_.add();
  attend_seconds_.observe(std::chrono::duration<double>(clock.now() - start).count());
}

std::optional<Error> AttentionNode::check(const wire::AttentionQuery& query) const {
  if (query.layer >= model_.layers || query.group != model_.group || query.head_dim != model_.head_dim)
    return make_error(ErrorCode::kInvalidArgument, "a query of layer ", query.layer, ", group ", query.group,
                      ", head dim ", query.head_dim, " does not fit the model");
  for (const wire::QueryItem& item : query.items)
    for (std::uint32_t head : item.kv_heads)
      if (head >= model_.kv_heads)
        return make_error(ErrorCode::kInvalidArgument, "a query names KV head ", head, "; the model has ",
                          model_.kv_heads);
  return std::nullopt;
}

std::optional<Error> AttentionNode::find_leaves(transport::PeerId peer, const wire::AttentionQuery& query,
                                                std::size_t index) {
  const wire::QueryItem& item = query.items[index];
  std::vector<Answer>& answers = answers_[index];
  if (answers.size() < item.kv_heads.size()) answers.resize(item.kv_heads.size());
  for (std::size_t h = 0; h < item.kv_heads.size(); ++h) {
    answers[h].held.clear();
    answers[h].previous.reset();
    if (item.leaf_end <= 1) continue;  // of a sequence with nothing here: known or not, the answer is empty
    const Result<void> found = held_.find(peer, item.sequence, item.epoch, query.layer, item.kv_heads[h], item.leaf_end,
                                          answers[h].held);
    if (!found) return found.error();
    std::vector<attention::HeldLeaf>& held = answers[h].held;
    if (!held.empty() && held.back().leaf + 1 == leaf_of(item.position)) {
      answers[h].previous = held.back();
      held.pop_back();
    }
    bytes_read_.add(static_cast<double>((held.size() + (answers[h].previous ? 1 : 0)) * store_.layout().block_bytes()));
  }
  return std::nullopt;
}

void AttentionNode::attend(const wire::AttentionQuery& query, std::vector<std::optional<Error>>& errors) {
  std::size_t heads = 0;
  for (const wire::QueryItem& item : query.items) heads += item.kv_heads.size();
  const attention::AttendShape shape{store_.layout(), model_.group, {}, model_.softcap};
  units_.clear();
  for (std::size_t i = 0; i < query.items.size(); ++i) {
    if (errors[i]) continue;
    for (std::size_t h = 0; h < query.items[i].kv_heads.size(); ++h) {
      Answer& answer = answers_[i][h];
      answer.cuts.resize(attention::parts_of(shape, answer.held.size(), heads, pool_.threads()) + 1);
      attention::cut_aligned({0, static_cast<std::uint32_t>(answer.held.size())}, answer.cuts);
      answer.parts.resize(std::max(answer.parts.size(), answer.cuts.size() - 1));
      for (std::size_t part = 0; part + 1 < answer.cuts.size(); ++part) units_.push_back({i, h, part});
    }
  }
  unit_errors_.assign(units_.size(), std::nullopt);
  pool_.for_each(units_.size(), 1, [&](std::size_t begin, std::size_t end, unsigned worker) {
    for (std::size_t u = begin; u < end; ++u)
      if (const Result<void> attended = attend_unit(query, u, scratch_[worker]); !attended)
        unit_errors_[u] = attended.error();
  });
  for (std::size_t u = 0; u < units_.size(); ++u)
    if (unit_errors_[u]) errors[units_[u].item] = unit_errors_[u];
}

Result<void> AttentionNode::attend_unit(const wire::AttentionQuery& query, std::size_t u,
                                        attention::AttendScratch& scratch) {
  const Unit& unit = units_[u];
  const wire::QueryItem& item = query.items[unit.item];
  Answer& answer = answers_[unit.item][unit.head];
  const attention::AttendShape shape{store_.layout(), model_.group, {}, model_.softcap};
  const std::size_t head_width = std::size_t{model_.group} * model_.head_dim;
  const attention::Queries rows{item.q.data() + unit.head * item.tokens * head_width, head_width, item.position, item.tokens};
  if (unit.part == 0 && answer.previous)
    attention::attend_previous(kernels_, shape, rows, *answer.previous, answer.of_previous, scratch);
  const std::size_t first = answer.cuts[unit.part], last = answer.cuts[unit.part + 1];
  return attention::attend_range(kernels_, shape, rows, std::span(answer.held).subspan(first, last - first),
                                 answer.parts[unit.part], scratch, first_block(u + pool_.threads()));
}

// Of the piece that a thread probably takes next.
const std::byte* AttentionNode::first_block(std::size_t u) const {
  if (u >= units_.size()) return nullptr;
  const Answer& answer = answers_[units_[u].item][units_[u].head];
  const std::size_t first = answer.cuts[units_[u].part];
  return first < answer.held.size() ? answer.held[first].block : nullptr;
}

transport::Message AttentionNode::reply(const wire::AttentionQuery& query,
                                        const std::vector<std::optional<Error>>& errors) {
  wire::AttentionReplyWriter writer(
      {query.generation, query.step, query.ask, query.layer, query.group, query.head_dim});
  std::vector<attention::TreeNode> sources;
  std::vector<std::uint32_t> rows;
  for (std::size_t i = 0; i < query.items.size(); ++i) {
    const wire::QueryItem& item = query.items[i];
    if (errors[i]) {
      writer.add_failed_item(item.sequence, item.epoch, *errors[i]);
      continue;
    }
    writer.add_item(item.sequence, item.epoch, item.tokens);
    for (std::size_t h = 0; h < item.kv_heads.size(); ++h) {
      Answer& answer = answers_[i][h];
      attention::NodeList& nodes = answer.parts.front();
      for (std::size_t part = 1; part + 1 < answer.cuts.size(); ++part) nodes.append(kernels_, answer.parts[part]);
      const auto add = [&](const attention::TreeNode& node) {
        sources.push_back(node);
        rows.push_back(item.tokens * model_.group);
        writer.add_node(item.kv_heads[h], node.name.level, node.name.index);
      };
      for (std::size_t n = 0; n < nodes.size(); ++n) add(nodes[n]);
      if (answer.previous) add(answer.of_previous[0]);
    }
  }
  writer.lay_out(transport_.messages());
  for (std::size_t n = 0; n < sources.size(); ++n) {
    const wire::AttentionReplyWriter::Node node = writer.node(n);
    const attention::PartialView& partial = sources[n].partial;
    std::memcpy(node.sum.data(), partial.sum, sizeof(float) * rows[n] * model_.head_dim);
    std::memcpy(node.max.data(), partial.max, sizeof(float) * rows[n]);
    std::memcpy(node.weight.data(), partial.weight, sizeof(float) * rows[n]);
  }
  return writer.finish();
}

}  // namespace longshore::attention_node
