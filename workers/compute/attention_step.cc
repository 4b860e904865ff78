#include "workers/compute/attention_step.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "runtime/base/check.h"

namespace longshore::compute {
namespace {

// Values of K and V that are worth waking a thread for.
constexpr std::size_t kAppendGrainValues = 8 * 1024;

using Choice = AttendedGroup::Choice;

Choice choice_of(const AttendedGroup& group) {
  const std::uint32_t position = group.rows.position;
  const SelectionRule& selection = group.sequence->start.heads.selection;
  if (position < group.sequence->selects_from() || !selection.leaves_out_at(position)) return Choice::kNone;
  // One holder for each head, and it has every leaf between.
  const auto& holders = group.sequence->plan->holders;
  const bool is_apart = group.remote_end + 1 >= leaf_of(position) &&
                        std::all_of(holders.begin(), holders.end(), [](const auto& nodes) { return nodes.size() == 1; });
  return is_apart ? Choice::kHolders : Choice::kHere;
}

wire::QueryKind kind_of(Choice choice, bool has_chosen) {
  if (choice == Choice::kNone) return wire::QueryKind::kAttend;
  if (choice == Choice::kHolders) return wire::QueryKind::kChoose;
  return has_chosen ? wire::QueryKind::kAttendChosen : wire::QueryKind::kScore;
}

}  // namespace

AttentionStep::AttentionStep(const model::ModelConfig& config, kernels::Isa isa, ThreadPool& pool, kv::KvStore& store,
                             SequenceBlocks& blocks, Holders* holders, Duration reply_deadline)
    : config_(config),
      kernels_(attention::attention_kernels(isa)),
      means_(store, retrieval::mean_kernels(isa)),
      pool_(pool),
      store_(store),
      blocks_(blocks),
      holders_(holders),
      reply_deadline_(reply_deadline),
      workers_(pool.threads()),
      remote_partials_(config.layers, 0) {
  for (Worker& worker : workers_) worker.scratch.reserve(shape({}));
}

attention::AttendShape AttentionStep::shape(HeadRule rule) const {
  return {store_.layout(), config_.group(), rule, config_.attention_softcap};
}

attention::Queries AttentionStep::queries(const AttendedGroup& group, std::uint32_t head,
                                          const model::Activations& a) const {
  const std::size_t width = std::size_t{config_.query_heads} * config_.head_dim;
  const std::size_t head_width = std::size_t{config_.group()} * config_.head_dim;
  return {a.queries.data() + group.rows.row * width + head * head_width, width, group.rows.position,
          group.rows.tokens};
}

void AttentionStep::begin(StepId step, std::vector<AttendedGroup> groups) {
  step_ = step;
  groups_ = std::move(groups);
  for (AttendedGroup& group : groups_) group.choice = choice_of(group);
  has_remote_ = std::any_of(groups_.begin(), groups_.end(), [](const AttendedGroup& g) {
    return g.remote_end > 1 || (g.sequence->start.asks_every_holder && !g.sequence->plan->nodes().empty());
  });
  CHECK(!has_remote_ || holders_ != nullptr) << "leaves are elsewhere and nobody can be asked";
  has_choice_ = std::any_of(groups_.begin(), groups_.end(), [](const AttendedGroup& g) { return g.choice == Choice::kHere; });
  if (has_choice_)
    if (const Result<void> opened = means_.open(); !opened)
      for (AttendedGroup& group : groups_)
        if (group.choice == Choice::kHere) group.error = opened.error();

  // Where there are fewer groups and heads than would keep the threads busy, long runs of leaves are cut.
  std::uint32_t leaves_longest = 0;
  for (const AttendedGroup& group : groups_)
    if (group.choice == Choice::kNone)
      leaves_longest = std::max(leaves_longest, leaf_of(group.rows.position) + 1 - group.remote_end);
  const std::size_t tasks = std::max<std::size_t>(1, groups_.size() * config_.kv_heads);
  parts_ = attention::parts_of(shape({}), leaves_longest, tasks, pool_.threads());

  units_.clear();
  for (std::uint32_t g = 0; g < groups_.size(); ++g)
    for (std::uint32_t head = 0; head < config_.kv_heads; ++head)
      for (std::uint32_t part = 0; part < parts_; ++part) units_.push_back({g, head, part});
  unit_errors_.assign(units_.size(), std::nullopt);
  if (partials_.size() < tasks) partials_.resize(tasks);
  if (others_.size() < tasks) others_.resize(tasks);
  if (parts_nodes_.size() < tasks * (parts_ - 1)) parts_nodes_.resize(tasks * (parts_ - 1));
}

void AttentionStep::send_queries(std::uint32_t layer, model::Activations& a) {
  for (auto& nodes : others_) nodes.clear();
  replies_.clear();
  ask(layer, Round::kFirst, a);
}

void AttentionStep::ask(std::uint32_t layer, Round round, model::Activations& a) {
  struct Item {
    std::uint32_t group;
    std::vector<std::uint32_t> heads;
  };
  std::map<NodeId, std::vector<Item>> items;
  for (std::uint32_t g = 0; g < groups_.size(); ++g) {
    const AttendedGroup& group = groups_[g];
    if (group.error || (round == Round::kChosen && group.choice != Choice::kHere)) continue;
    const SequenceState& sequence = *group.sequence;
    for (std::uint32_t head = 0; head < config_.kv_heads; ++head) {
      if (!sequence.rule(config_, layer, head).sees_all()) continue;
      // A pattern of n entries shows all its nodes within n stripes.
      const std::size_t stripes = sequence.plan->holders[head].size();
      for (std::uint32_t leaf = 1, s = 0; s < stripes; leaf += sequence.stripe, ++s) {
        if (leaf >= group.remote_end && !sequence.start.asks_every_holder) break;
        std::vector<Item>& of_node = items[sequence.plan->holder(head, leaf, sequence.stripe)];
        if (of_node.empty() || of_node.back().group != g) of_node.push_back({g, {}});
        std::vector<std::uint32_t>& heads = of_node.back().heads;
        if (heads.empty() || heads.back() != head) heads.push_back(head);
      }
    }
  }

  asked_.clear();
  const std::size_t width = std::size_t{config_.query_heads} * config_.head_dim;
  const std::size_t head_width = std::size_t{config_.group()} * config_.head_dim;
  for (const auto& [node, of_node] : items) {
    Asked asked{node, holders_->next_ask(), {}};
    wire::AttentionQueryWriter writer({groups_[of_node.front().group].sequence->plan->generation, step_, asked.ask, layer,
                                       config_.group(), config_.head_dim});
    for (const Item& item : of_node) {
      const AttendedGroup& group = groups_[item.group];
      const wire::QueryKind kind = kind_of(group.choice, round == Round::kChosen);
      const SelectionRule& selection = group.sequence->start.heads.selection;
      writer.add_item({group.sequence->start.sequence, group.sequence->start.epoch, group.rows.position, group.rows.tokens,
                       remote_end(group), item.heads, {}, kind, {}, selection.selects() ? selection.units() : 0});
      asked.groups.push_back(item.group);
    }
    writer.lay_out(holders_->transport().messages());
    for (std::size_t i = 0; i < of_node.size(); ++i) {
      const RowGroup& rows = groups_[of_node[i].group].rows;
      float* q = writer.q(i).data();
      for (std::uint32_t head : of_node[i].heads)
        for (std::uint32_t t = 0; t < rows.tokens; ++t, q += head_width)
          std::memcpy(q, a.queries.data() + (rows.row + t) * width + head * head_width, head_width * sizeof(float));
      if (round == Round::kFirst) continue;
      const std::size_t bytes = wire::chosen_bytes(remote_end(groups_[of_node[i].group]));
      std::size_t done = 0;
      for (std::uint32_t head : of_node[i].heads)
        selections_[index(of_node[i].group, head)].write(remote_end(groups_[of_node[i].group]),
                                                         writer.chosen(i).subspan(bytes * done++, bytes));
    }
    holders_->send_query(node, asked.ask, writer.finish());
    asked_.push_back(std::move(asked));
  }
  holders_->progress();  // lets the transport start what it could not send at once
  a.stages.lap(model::Stage::kSend);
}

void AttentionStep::attend(std::uint32_t layer, model::Activations& a) {
  append(layer, a);
  a.stages.lap(model::Stage::kAppend);
  if (has_choice_ && !config_.windowed(layer)) select(layer, a);
  attend_here(layer, a);
  a.stages.lap(model::Stage::kAttend);
  if (has_remote(layer)) {
    receive(layer);
    a.stages.lap(model::Stage::kWait);
  }
  merge(layer, a);
  zero_failed(a);
  a.stages.lap(model::Stage::kMerge);
}

void AttentionStep::append(std::uint32_t layer, const model::Activations& a) {
  const std::size_t d = config_.head_dim;
  const std::size_t width = config_.kv_heads * d;
  head_errors_.assign(groups_.size() * config_.kv_heads, std::nullopt);
  const std::size_t values = 2 * a.rows * width / head_errors_.size();  // of one
  pool_.for_each(head_errors_.size(), std::max<std::size_t>(1, kAppendGrainValues / values), [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t i = begin; i < end; ++i) {
      const AttendedGroup& group = groups_[i / config_.kv_heads];
      const auto head = static_cast<std::uint32_t>(i % config_.kv_heads);
      if (group.error) continue;
      const std::optional<BlockId> block = group.sequence->table.at(leaf_of(group.rows.position), layer, head);
      CHECK(block) << "a row's own leaf has no block";
      const std::size_t first = group.rows.row * width + head * d;
      const Result<void> appended =
          kv::append(store_.layout(), store_.block(*block), group.rows.position % kLeafTokens, group.rows.tokens,
                     {a.keys.data() + first, width}, {a.values.data() + first, width});
      if (!appended) head_errors_[i] = appended.error();
    }
  });
  for (std::size_t i = 0; i < head_errors_.size(); ++i)
    if (head_errors_[i])
      groups_[i / config_.kv_heads].error =
          make_error(ErrorCode::kInternal, "layer ", layer, ": K or V of sequence ",
                     groups_[i / config_.kv_heads].sequence->start.sequence.value, ": ", head_errors_[i]->message);
}

// Which units the rows read that do not read all: their holders' scores and those of what is here, the choice, and who is
// told.
void AttentionStep::select(std::uint32_t layer, model::Activations& a) {
  selections_.resize(std::max(selections_.size(), groups_.size() * config_.kv_heads));
  for (std::uint32_t g = 0; g < groups_.size(); ++g)
    if (groups_[g].choice == Choice::kHere)
      for (std::uint32_t head = 0; head < config_.kv_heads; ++head)
        selections_[index(g, head)].reset(leaf_of(groups_[g].rows.position) - 1, config_.group());
  if (has_remote(layer)) {
    receive(layer);
    a.stages.lap(model::Stage::kWait);
  }
  head_errors_.assign(groups_.size() * config_.kv_heads, std::nullopt);
  pool_.for_each(head_errors_.size(), 1, [&](std::size_t begin, std::size_t end, unsigned worker) {
    for (std::size_t i = begin; i < end; ++i) {
      const AttendedGroup& group = groups_[i / config_.kv_heads];
      const auto head = static_cast<std::uint32_t>(i % config_.kv_heads);
      if (group.error || group.choice != Choice::kHere || !group.sequence->rule(config_, layer, head).sees_all()) continue;
      const Result<void> chosen = choose(layer, group, head, a, workers_[worker].held, selections_[i]);
      if (!chosen) head_errors_[i] = chosen.error();
    }
  });
  for (std::size_t i = 0; i < head_errors_.size(); ++i)
    if (head_errors_[i] && !groups_[i / config_.kv_heads].error) groups_[i / config_.kv_heads].error = head_errors_[i];
  a.stages.lap(model::Stage::kAttend);
  if (has_remote(layer)) ask(layer, Round::kChosen, a);
}

Result<void> AttentionStep::choose(std::uint32_t layer, const AttendedGroup& group, std::uint32_t head,
                                   const model::Activations& a, std::vector<attention::HeldLeaf>& held,
                                   attention::UnitSelection& selection) {
  const std::uint32_t position = group.rows.position;
  blocks_.held_leaves(*group.sequence, layer, head, position, position + 1, group.remote_end, held);
  std::erase_if(held, [&](const attention::HeldLeaf& leaf) { return leaf.leaf == 0 || leaf.leaf + 1 >= leaf_of(position); });
  if (Result<void> scored = selection.score(means_, config_.head_dim, queries(group, head, a).q, held); !scored) return scored;
  return selection.choose(means_.kernels(), group.sequence->start.heads.selection.units());
}

void AttentionStep::attend_here(std::uint32_t layer, model::Activations& a) {
  pool_.for_each(units_.size(), 1, [&](std::size_t begin, std::size_t end, unsigned worker) {
    for (std::size_t u = begin; u < end; ++u) {
      unit_errors_[u].reset();
      if (!groups_[units_[u].group].error) run_unit(layer, units_[u], a, workers_[worker]);
    }
  });
  for (std::size_t u = 0; u < units_.size(); ++u)
    if (unit_errors_[u] && !groups_[units_[u].group].error) groups_[units_[u].group].error = unit_errors_[u];
}

void AttentionStep::run_unit(std::uint32_t layer, const Unit& unit, model::Activations& a, Worker& worker) {
  const AttendedGroup& group = groups_[unit.group];
  const HeadRule rule = group.sequence->rule(config_, layer, unit.head);
  const attention::AttendShape of_head = shape(rule);
  const attention::Queries q = queries(group, unit.head, a);
  const std::uint32_t position = group.rows.position;
  blocks_.held_leaves(*group.sequence, layer, unit.head, position, position + group.rows.tokens, group.remote_end,
                      worker.held);
  const bool is_selecting = rule.sees_all() && group.choice != Choice::kNone;
  if (is_selecting && group.choice == Choice::kHere)
    for (attention::HeldLeaf& leaf : worker.held)
      if (leaf.leaf >= 1 && leaf.leaf + 1 < leaf_of(position))
        leaf.chosen = selections_[index(unit.group, unit.head)].chosen(leaf.leaf);

  // Part 0 takes the hot leaves and the first piece of T, the others a piece each.
  std::span<const attention::HeldLeaf> held = worker.held;
  std::array<std::uint32_t, attention::kPartsMax + 1> cuts{};
  const attention::TreeRange range = attention::required_range(of_head, position);
  attention::TreeRange local = range;
  if (rule.sees_all()) local.begin = std::max(local.begin, group.remote_end - 1);
  const bool cut = parts_ > 1 && !local.is_empty() && !is_selecting;
  if (cut) attention::cut_aligned(local, std::span(cuts).first(parts_ + 1));
  const auto first_at = [&](std::uint32_t tree_leaf) {  // index into held of the first leaf not before it
    return static_cast<std::size_t>(
        std::lower_bound(held.begin(), held.end(), tree_leaf + 1,
                         [](const attention::HeldLeaf& leaf, std::uint32_t wanted) { return leaf.leaf < wanted; }) -
        held.begin());
  };

  Result<void> done;
  if (unit.part > 0) {
    attention::NodeList& nodes = parts_nodes_[index(unit.group, unit.head) * (parts_ - 1) + unit.part - 1];
    nodes.reset(group.rows.tokens * config_.group(), config_.head_dim);
    if (!cut) return;
    const std::size_t begin = first_at(cuts[unit.part]), end = first_at(cuts[unit.part + 1]);
    done = attention::attend_range(kernels_, of_head, q, held.subspan(begin, end - begin), nodes, worker.scratch);
  } else {
    const bool whole = is_whole(layer, unit.group);
    attention::RowPartials& partials = whole ? worker.partials : partials_[index(unit.group, unit.head)];
    std::vector<attention::HeldLeaf> own;
    if (cut) {  // without the pieces of the other parts
      const std::size_t begin = first_at(cuts[1]), end = first_at(cuts[parts_]);
      own.assign(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(begin));
      own.insert(own.end(), held.begin() + static_cast<std::ptrdiff_t>(end), held.end());
      held = own;
    }
    const bool is_previous_remote = rule.sees_all() && group.remote_end > 1 && group.remote_end == leaf_of(position);
    done = partials.attend_local(kernels_, of_head, q, held, worker.scratch,
                                 is_previous_remote ? attention::PreviousLeaf::kElsewhere : attention::PreviousLeaf::kHere);
    if (done && whole) {
      const std::size_t width = std::size_t{config_.query_heads} * config_.head_dim;
      float* out = a.attended.data() + group.rows.row * width + unit.head * std::size_t{config_.group()} * config_.head_dim;
      done = partials.finish(kernels_, {}, out, width);
    }
  }
  if (!done) unit_errors_[(std::size_t{unit.group} * config_.kv_heads + unit.head) * parts_ + unit.part] = done.error();
}

void AttentionStep::receive(std::uint32_t layer) {
  const TimePoint start = SystemClock().now();
  std::vector<std::uint64_t> asks;
  for (const Asked& asked : asked_) asks.push_back(asked.ask);
  holders_->wait_for_replies(asks, start + reply_deadline_);
  for (const Asked& asked : asked_) take_reply(layer, asked);
}

void AttentionStep::take_reply(std::uint32_t layer, const Asked& asked) {
  const auto fail = [&](std::size_t item, ErrorCode code, const std::string& why) {
    AttendedGroup& group = groups_[asked.groups[item]];
    if (!group.error)
      group.error = make_error(code, "attention node ", asked.node.value, ", layer ", layer, ": ", why);
  };
  const auto fail_all = [&](ErrorCode code, const std::string& why) {
    for (std::size_t i = 0; i < asked.groups.size(); ++i) fail(i, code, why);
  };
  std::optional<transport::Message> message = holders_->take_reply(asked.ask);
  if (!message) return fail_all(ErrorCode::kDataLoss, "the node is lost");
  replies_.push_back(std::move(*message));
  Result<wire::AttentionReply> reply = wire::decode_attention_reply(replies_.back().bytes());
  if (!reply) return fail_all(ErrorCode::kDataLoss, reply.error().message);
  if (reply->error) return fail_all(ErrorCode::kDataLoss, reply->error->message);
  if (reply->layer != layer || reply->items.size() != asked.groups.size() || reply->group != config_.group() ||
      reply->head_dim != config_.head_dim)
    return fail_all(ErrorCode::kDataLoss, "the reply is to another question");
  for (std::size_t i = 0; i < reply->items.size(); ++i) {
    const wire::ReplyItem& item = reply->items[i];
    const AttendedGroup& group = groups_[asked.groups[i]];
    if (item.sequence != group.sequence->start.sequence || item.epoch != group.sequence->start.epoch ||
        item.tokens != group.rows.tokens) {
      fail(i, ErrorCode::kDataLoss, "the reply is about another sequence");
      continue;
    }
    if (item.error) {
      fail(i, ErrorCode::kDataLoss, item.error->message);
      continue;
    }
    for (const wire::PartialNode& node : item.nodes) {
      if (node.kv_head >= config_.kv_heads) {
        fail(i, ErrorCode::kDataLoss, "the reply names a KV head that the model has not");
        break;
      }
      others_[index(asked.groups[i], node.kv_head)].push_back(
          {{node.level, node.index}, {node.sum.data(), node.max.data(), node.weight.data()}});
      if (node.weight[0] > 0) ++remote_partials_[layer];
    }
    for (const wire::ScoredLeaves& scores : item.scores) {
      const bool is_wanted = scores.kv_head < config_.kv_heads && group.choice == Choice::kHere;
      const Result<void> put = is_wanted ? selections_[index(asked.groups[i], scores.kv_head)].put(scores.leaf, scores.leaves, scores.logits)
                                         : make_error(ErrorCode::kDataLoss, "the reply has scores that nobody asked for");
      if (!put) fail(i, ErrorCode::kDataLoss, put.error().message);
    }
  }
}

void AttentionStep::merge(std::uint32_t layer, model::Activations& a) {
  bool all_whole = true;
  for (std::uint32_t g = 0; g < groups_.size(); ++g) all_whole &= is_whole(layer, g);
  if (all_whole) return;
  const std::size_t width = std::size_t{config_.query_heads} * config_.head_dim;
  const std::size_t head_width = std::size_t{config_.group()} * config_.head_dim;
  head_errors_.assign(groups_.size() * config_.kv_heads, std::nullopt);
  pool_.for_each(head_errors_.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t i = begin; i < end; ++i) {
      const auto g = static_cast<std::uint32_t>(i / config_.kv_heads);
      const AttendedGroup& group = groups_[g];
      if (group.error || is_whole(layer, g)) continue;
      std::vector<attention::TreeNode>& others = others_[i];
      if (!has_remote(layer)) others.clear();
      for (std::uint32_t part = 1; part < parts_; ++part) {
        const attention::NodeList& nodes = parts_nodes_[i * (parts_ - 1) + part - 1];
        for (std::size_t n = 0; n < nodes.size(); ++n) others.push_back(nodes[n]);
      }
      float* out = a.attended.data() + group.rows.row * width + (i % config_.kv_heads) * head_width;
      const Result<void> finished = partials_[i].finish(kernels_, others, out, width);
      if (!finished) head_errors_[i] = finished.error();
    }
  });
  for (std::size_t i = 0; i < head_errors_.size(); ++i)
    if (head_errors_[i] && !groups_[i / config_.kv_heads].error) groups_[i / config_.kv_heads].error = head_errors_[i];
}

void AttentionStep::zero_failed(model::Activations& a) const {
  const std::size_t width = std::size_t{config_.query_heads} * config_.head_dim;
  for (const AttendedGroup& group : groups_) {
    if (!group.error) continue;
    float* rows = a.attended.data() + group.rows.row * width;
    std::fill(rows, rows + group.rows.tokens * width, 0.0f);
  }
}

}  // namespace longshore::compute
