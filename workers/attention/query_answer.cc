// How queries are answered: which leaves, attended on which threads, and what goes back.
#include <algorithm>
#include <cstring>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/plan/leaf.h"
#include "workers/attention/attention_node.h"

namespace longshore::attention_node {
namespace {

using wire::QueryKind;

// Leaves each unit to be seen whose bit is set (wire::chosen_bytes).
void restrict(std::span<const std::byte> chosen, attention::HeldLeaf& leaf) {
  leaf.chosen = {0, 0};
  for (std::uint32_t half = 0; half < retrieval::kUnitsOfLeaf; ++half) {
    const std::uint32_t unit = leaf.leaf * retrieval::kUnitsOfLeaf + half;
    if ((chosen[unit / 8] >> (unit % 8) & std::byte{1}) == std::byte{0}) continue;
    if (leaf.chosen.end == 0) leaf.chosen.begin = half * retrieval::kUnitTokens;
    leaf.chosen.end = (half + 1) * retrieval::kUnitTokens;
  }
}

// The leaves from the first of `held` on without a gap.
std::size_t run_of(std::span<const attention::HeldLeaf> held) {
  std::size_t end = 1;
  while (end < held.size() && held[end].leaf == held[0].leaf + end) ++end;
  return end;
}

}  // namespace

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

std::optional<Error> AttentionNode::check(const wire::AttentionQuery& query) {
  if (query.layer >= model_.layers || query.group != model_.group || query.head_dim != model_.head_dim)
    return make_error(ErrorCode::kInvalidArgument, "a query of layer ", query.layer, ", group ", query.group,
                      ", head dim ", query.head_dim, " does not fit the model");
  for (const wire::QueryItem& item : query.items)
    for (std::uint32_t head : item.kv_heads)
      if (head >= model_.kv_heads)
        return make_error(ErrorCode::kInvalidArgument, "a query names KV head ", head, "; the model has ",
                          model_.kv_heads);
  const auto scores = [](const wire::QueryItem& item) {
    return item.kind == QueryKind::kScore || item.kind == QueryKind::kChoose;
  };
  if (std::any_of(query.items.begin(), query.items.end(), scores))
    if (Result<void> opened = means_.open(); !opened) return opened.error();
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
    const std::size_t bytes = wire::chosen_bytes(item.leaf_end);
    if (item.kind == QueryKind::kAttendChosen)
      for (attention::HeldLeaf& leaf : held) restrict(item.chosen.subspan(h * bytes, bytes), leaf);
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
      const bool is_whole = query.items[i].kind != QueryKind::kAttend;  // little to read
      answer.cuts.resize(is_whole ? 2 : attention::parts_of(shape, answer.held.size(), heads, pool_.threads()) + 1);
      attention::cut_aligned({0, static_cast<std::uint32_t>(answer.held.size())}, answer.cuts);
      answer.parts.resize(std::max(answer.parts.size(), answer.cuts.size() - 1));
      for (std::size_t part = 0; part + 1 < answer.cuts.size(); ++part) units_.push_back({i, h, part});
    }
  }
  unit_errors_.assign(units_.size(), std::nullopt);
  pool_.for_each(units_.size(), 1, [&](std::size_t begin, std::size_t end, unsigned worker) {
    for (std::size_t u = begin; u < end; ++u)
      if (const Result<void> attended = attend_unit(query, u, worker); !attended)
        unit_errors_[u] = attended.error();
  });
  for (std::size_t u = 0; u < units_.size(); ++u)
    if (unit_errors_[u]) errors[units_[u].item] = unit_errors_[u];
  for (std::size_t i = 0; i < query.items.size(); ++i)
    if (!errors[i]) count_read(query.items[i], answers_[i]);
}

void AttentionNode::count_read(const wire::QueryItem& item, std::span<const Answer> answers) {
  double positions = 0, means = 0;
  for (const Answer& answer : answers.first(item.kv_heads.size())) {
    if (item.kind == QueryKind::kScore || item.kind == QueryKind::kChoose) means += static_cast<double>(answer.held.size());
    if (item.kind == QueryKind::kScore) continue;
    if (answer.previous) positions += kLeafTokens;
    for (const attention::HeldLeaf& leaf : answer.held) positions += leaf.chosen.end - leaf.chosen.begin;
  }
  bytes_read_.add(positions / kLeafTokens * static_cast<double>(store_.layout().block_bytes()) +
                  means * static_cast<double>(retrieval::mean_values(model_.head_dim) * sizeof(std::uint16_t)));
}

Result<void> AttentionNode::attend_unit(const wire::AttentionQuery& query, std::size_t u, unsigned worker) {
  const Unit& unit = units_[u];
  const wire::QueryItem& item = query.items[unit.item];
  if (item.kind == QueryKind::kScore) {
    score(query, unit.item, unit.head);
    return {};
  }
  if (item.kind == QueryKind::kChoose)
    if (Result<void> chosen = choose(query, unit.item, unit.head, selections_[worker]); !chosen) return chosen;
  attention::AttendScratch& scratch = scratch_[worker];
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

void AttentionNode::score(const wire::AttentionQuery& query, std::size_t item, std::size_t head) {
  Answer& answer = answers_[item][head];
  answer.means.clear();
  for (const attention::HeldLeaf& leaf : answer.held) answer.means.push_back(means_.of(leaf.block));
  answer.logits.resize(std::size_t{model_.group} * retrieval::kUnitsOfLeaf * answer.held.size());
  const float* q = query.items[item].q.data() + head * model_.group * model_.head_dim;
  means_.kernels().score(answer.means.data(), answer.means.size(), model_.head_dim, q, model_.group, answer.logits.data());
}

Result<void> AttentionNode::choose(const wire::AttentionQuery& query, std::size_t item, std::size_t head,
                                   attention::UnitSelection& selection) {
  Answer& answer = answers_[item][head];
  const wire::QueryItem& asked = query.items[item];
  selection.reset(std::max(2u, leaf_of(asked.position)) - 1, model_.group);
  const float* q = asked.q.data() + head * model_.group * model_.head_dim;
  if (Result<void> scored = selection.score(means_, model_.head_dim, q, answer.held); !scored) return scored;
  if (Result<void> chosen = selection.choose(means_.kernels(), asked.units); !chosen) return chosen;
  for (attention::HeldLeaf& leaf : answer.held) leaf.chosen = selection.chosen(leaf.leaf);
  return {};
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
  struct Node {
    attention::TreeNode node;
    std::uint32_t rows;
    bool is_identity;
  };
  std::vector<Node> sources;
  struct Scores {
    const Answer* answer;
    std::size_t first, count;  // of its held leaves
  };
  std::vector<Scores> scores;
  for (std::size_t i = 0; i < query.items.size(); ++i) {
    const wire::QueryItem& item = query.items[i];
    if (errors[i]) {
      writer.add_failed_item(item.sequence, item.epoch, *errors[i]);
      continue;
    }
    writer.add_item(item.sequence, item.epoch, item.tokens);
    for (std::size_t h = 0; h < item.kv_heads.size(); ++h) {
      Answer& answer = answers_[i][h];
      if (item.kind == QueryKind::kScore) {
        for (std::size_t first = 0, count = 0; first < answer.held.size(); first += count) {
          count = run_of(std::span(answer.held).subspan(first));
          scores.push_back({&answer, first, count});
          writer.add_scores(item.kv_heads[h], answer.held[first].leaf, static_cast<std::uint32_t>(count));
        }
        continue;
      }
      attention::NodeList& nodes = answer.parts.front();
      for (std::size_t part = 1; part + 1 < answer.cuts.size(); ++part) nodes.append(kernels_, answer.parts[part]);
      const auto add = [&](const attention::TreeNode& node, bool is_identity) {
        sources.push_back({node, item.tokens * model_.group, is_identity});
        writer.add_node(item.kv_heads[h], node.name.level, node.name.index);
      };
      for (std::size_t n = 0; n < nodes.size(); ++n) add(nodes[n], nodes.is_identity(n));
      if (answer.previous) add(answer.of_previous[0], false);
    }
  }
  writer.lay_out(transport_.messages());
  for (std::size_t n = 0; n < sources.size(); ++n) {
    const wire::AttentionReplyWriter::Node node = writer.node(n);
    const attention::PartialView& partial = sources[n].node.partial;
    const std::size_t rows = sources[n].rows;
    if (sources[n].is_identity) {  // only its weights were ever written
      attention::set_identity({node.sum.data(), node.max.data(), node.weight.data()}, sources[n].rows, model_.head_dim);
      continue;
    }
    std::memcpy(node.sum.data(), partial.sum, sizeof(float) * rows * model_.head_dim);
    std::memcpy(node.max.data(), partial.max, sizeof(float) * rows);
    std::memcpy(node.weight.data(), partial.weight, sizeof(float) * rows);
  }
  for (std::size_t s = 0; s < scores.size(); ++s) {
    const std::size_t given = retrieval::kUnitsOfLeaf * scores[s].count;
    const std::size_t of_row = retrieval::kUnitsOfLeaf * scores[s].answer->held.size();
    for (std::uint32_t r = 0; r < model_.group; ++r)
      std::copy_n(scores[s].answer->logits.begin() + r * of_row + retrieval::kUnitsOfLeaf * scores[s].first, given,
                  writer.scores(s).begin() + r * given);
  }
  return writer.finish();
}

}  // namespace longshore::attention_node
