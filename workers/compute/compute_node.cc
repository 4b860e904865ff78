#include "workers/compute/compute_node.h"

#include <algorithm>
#include <string>

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/kernels/numerics_version.h"
#include "workers/compute/link_probe.h"

namespace longshore::compute {
namespace {

// Logit rows computed at once: enough to read the output matrix once for a batch of sequences, and 16 MiB at most at
// V = 262144.
constexpr std::size_t kLogitRows = 16;

// Leaves [1, this) of a sequence whose next row is at `position` are not hot: their local copies may go once their
// holders have them. The row's own leaf and the one before stay.
std::uint32_t cold_end(std::uint32_t position) { return std::max(2u, leaf_of(position)) - 1; }

StepTiming timing_of(const model::StageSeconds& seconds, double total) {
  using model::Stage;
  StepTiming timing;
  timing.total = total;
  timing.transport = seconds[Stage::kSend];
  timing.attention = seconds[Stage::kAppend] + seconds[Stage::kAttend];
  timing.wait = seconds[Stage::kWait];
  timing.merge = seconds[Stage::kMerge];
  timing.sample = seconds[Stage::kLogits] + seconds[Stage::kSample];
  for (const Stage stage : {Stage::kEmbed, Stage::kNorm, Stage::kProject, Stage::kRotate, Stage::kOutput, Stage::kGateUp,
                            Stage::kActivate, Stage::kDown, Stage::kResidual})
    timing.compute += seconds[stage];
  return timing;
}

wire::Hello hello_of(const model::ModelConfig& config, const kv::KvStore& store, const Sha256& model,
                     const std::string& name) {
  wire::Hello hello;
  hello.node = name;
  hello.role = NodeRole::kCompute;
  hello.model = model;
  hello.numerics_version = kernels::kNumericsVersion;
  hello.kv_layout = std::string(to_string(store.layout().type));
  hello.block_bytes = store.layout().block_bytes();
  hello.layers = config.layers;
  hello.kv_heads = config.kv_heads;
  hello.head_dim = config.head_dim;
  return hello;
}

}  // namespace

Result<std::unique_ptr<ComputeNode>> ComputeNode::create(const model::Decoder& decoder, kv::KvStore& store,
                                                         const Sha256& model, transport::Transport* transport,
                                                         const ComputeOptions& options, Metrics& metrics,
                                                         const Clock& clock) {
  Result<model::Activations> activations = model::Activations::create(decoder.config(), options.rows_max, clock);
  if (!activations) return activations.error();
  std::unique_ptr<ComputeNode> node(
      new ComputeNode(decoder, store, model, transport, options, metrics, clock, std::move(*activations)));
  if (transport == nullptr) return node;
  Result<transport::MemoryRegion> region = transport->register_memory(store.memory(), MemoryKind::kHost);
  if (!region) return region.error();
  node->region_ = std::move(*region);
  const blocks::ChainRoot root{model, kernels::kNumericsVersion, to_string(store.layout().type), "full", ""};
  node->push_ = std::make_unique<BlockPush>(decoder.config(), store, decoder.pool(), *node->holders_,
                                            node->region_.id(), root);
  return node;
}

ComputeNode::ComputeNode(const model::Decoder& decoder, kv::KvStore& store, const Sha256& model,
                         transport::Transport* transport, const ComputeOptions& options, Metrics& metrics,
                         const Clock& clock, model::Activations activations)
    : decoder_(decoder),
      store_(store),
      options_(options),
      clock_(clock),
      activations_(std::move(activations)),
      blocks_(decoder.config(), store),
      holders_(transport == nullptr ? nullptr
                                    : std::make_unique<Holders>(
                                          *transport, hello_of(decoder.config(), store, model, options.name), metrics, clock)),
      attention_(decoder.config(), decoder.kernels().isa, decoder.pool(), store, blocks_, holders_.get(),
                 options.reply_deadline),
      plan_(std::make_shared<PlacementPlan>()),
      logits_(kLogitRows * decoder.config().vocabulary) {
  for (unsigned worker = 0; worker < decoder.pool().threads(); ++worker)
    samplers_.emplace_back(decoder.kernels().row);
}

ComputeNode::~ComputeNode() {
  for (auto& [id, running] : sequences_) blocks_.release_all(running.state);
}

Result<void> ComputeNode::connect(const NodeDescriptor& node) {
  CHECK(holders_ != nullptr) << "a compute node without a transport meets nobody";
  if (Result<void> met = holders_->connect(node, options_.reply_deadline); !met) return met;
  return open_link(node.id);
}

Result<void> ComputeNode::open_link(NodeId node) {
  if (Result<void> measured = measure(node); !measured) {
    holders_->disconnect(node);
    return measured;
  }
  const LinkReport& link = links_.at(node);
  const std::string& name = holders_->name(node);
  log::info("link to {}: {}, round trip {:.1f} us, {:.2f} GB/s", name, link.transports, 1e6 * link.round_trip_seconds,
            1e-9 * link.bytes_per_second);
  holders_->metrics().measured(name, link.transports, link.round_trip_seconds, link.bytes_per_second);
  return {};
}

Result<void> ComputeNode::measure(NodeId node) {
  const LinkProbeShape shape{config().group(), config().kv_heads, config().head_dim, store_.layout().block_bytes()};
  const Result<LinkReport> link = measure_link(*holders_, node, shape, clock_, options_.reply_deadline);
  if (!link) return link.error();
  links_[node] = *link;
  return {};
}

Result<void> ComputeNode::measure_links() {
  for (const auto& [node, link] : links_)
    if (Result<void> measured = measure(node); !measured) return measured;
  return {};
}

Result<void> ComputeNode::meet(const NodeDescriptor& node) {
  CHECK(holders_ != nullptr) << "a compute node without a transport meets nobody";
  return holders_->meet(node, options_.reply_deadline);
}

std::vector<Holders::Met> ComputeNode::take_met() {
  if (holders_ == nullptr) return {};
  std::vector<Holders::Met> all = holders_->take_met();
  for (Holders::Met& met : all)
    if (!met.error)
      if (Result<void> opened = open_link(met.node); !opened) met.error = opened.error();
  return all;
}

void ComputeNode::lose(NodeId node) {
  if (holders_ == nullptr) return;
  holders_->lose(node);
  poll();
}

Result<void> ComputeNode::set_plan(std::shared_ptr<const PlacementPlan> plan) {
  if (Result<void> valid = validate(*plan, config().kv_heads); !valid) return valid;
  for (NodeId node : plan->nodes())
    if (holders_ == nullptr || !holders_->is_connected(node))
      return make_error(ErrorCode::kFailedPrecondition, "placement plan ", plan->generation.value, " names node ",
                        node.value, ", which is not connected");
  plan_ = std::move(plan);
  return {};
}

std::uint32_t ComputeNode::released_end(SequenceId sequence) const {
  const auto found = sequences_.find(sequence);
  return found == sequences_.end() ? 1 : found->second.state.hand_over.released_end();
}

void ComputeNode::start(const SequenceStart& start) {
  release(start.sequence);
  std::optional<Error> refused;
  if (Result<void> valid = validate(start.heads, config().layers, config().kv_heads); !valid) {
    refused = valid.error();
  } else if (start.prefix) {
    const Result<void> started = start_from_prefix(start);
    if (started) return;
    refused = started.error();
  }
  sequences_.emplace(start.sequence,
                     Running{SequenceState(start, plan_, config().layers, config().kv_heads), {}, false, false, refused});
}

Result<void> ComputeNode::start_from_prefix(const SequenceStart& start) {
  const SequenceStart::Prefix& prefix = *start.prefix;
  const auto found = sequences_.find(prefix.carrier);
  const auto refuse = [&](const char* why) {
    return make_error(ErrorCode::kAborted, "sequence ", start.sequence.value, " cannot begin with ", prefix.leaves,
                      " leaves of sequence ", prefix.carrier.value, ", which ", why);
  };
  if (found == sequences_.end() || found->second.state.start.epoch != prefix.epoch) return refuse("is not here");
  const Running& carrier = found->second;
  if (carrier.lost) return refuse("has lost some");
  if (carrier.state.full_leaves() < prefix.leaves) return refuse("has fewer");
  SequenceState state(start, carrier.state, config().layers, config().kv_heads);
  if (!blocks_.adopt(carrier.state, prefix.leaves, state)) return refuse("has let go of some that are needed here");
  if (state.hand_over.acknowledged_end() > 1)
    for (NodeId node : state.plan->nodes())
      holders_->send(node, wire::encode(wire::Adopt{state.plan->generation, start.sequence, start.epoch, prefix.carrier,
                                                    prefix.epoch, state.hand_over.acknowledged_end()},
                                        holders_->transport().messages()));
  Running running{std::move(state), {}, false, false, std::nullopt};
  if (sampling::uses_history(start.sampling)) {
    const std::size_t of_prompt = std::min<std::size_t>(running.state.tokens.size(), start.prompt_tokens);
    running.history.add_prompt(std::span(running.state.tokens).first(of_prompt));
    for (std::size_t t = of_prompt; t < running.state.tokens.size(); ++t) running.history.add_output(running.state.tokens[t]);
  }
  sequences_.emplace(start.sequence, std::move(running));
  return {};
}

// Holders have what they were offered, or will when they have pulled it.
void ComputeNode::tell_holders(const SequenceState& state, std::uint32_t from_leaf) {
  if (state.hand_over.offered_end() <= std::max(1u, from_leaf)) return;
  for (NodeId node : state.plan->nodes())
    holders_->send(node, wire::encode(wire::Release{state.plan->generation, state.start.sequence, state.start.epoch, from_leaf},
                                      holders_->transport().messages()));
}

void ComputeNode::keep(const SequenceKeep& keep) {
  const auto found = sequences_.find(keep.sequence);
  if (found == sequences_.end()) return;
  Running& running = found->second;
  running.ended = true;
  SequenceState& state = running.state;
  if (keep.leaves >= leaves_for(state.tokens.size())) return;
  tell_holders(state, keep.leaves);
  blocks_.release_from(state, keep.leaves);
  state.hand_over.truncate(keep.leaves);
  state.tokens.resize(std::min<std::size_t>(state.tokens.size(), std::size_t{keep.leaves} * kLeafTokens));
  state.names.resize(std::min<std::size_t>(state.names.size(), keep.leaves));
}

void ComputeNode::release(SequenceId sequence) {
  const auto found = sequences_.find(sequence);
  if (found == sequences_.end()) return;
  tell_holders(found->second.state, 0);
  blocks_.release_all(found->second.state);
  sequences_.erase(found);
}

void ComputeNode::forget_all() {
  while (!sequences_.empty()) release(SequenceId(sequences_.begin()->first));
}

void ComputeNode::poll() {
  if (holders_ == nullptr) return;
  holders_->poll();
  holders_->export_counters();
  for (const Holders::Acknowledgement& answer : holders_->take_acknowledgements()) {
    push_->on_acknowledged(answer.ack.ask);
    const auto found = sequences_.find(answer.ack.sequence);
    if (found == sequences_.end() || found->second.state.start.epoch != answer.ack.epoch) continue;
    if (answer.ack.error) {
      // The leaf stays here and is attended here: slower, and still right.
      log::warn("attention node {} refused leaf {} of sequence {}: {}", answer.node.value, answer.ack.leaf,
                answer.ack.sequence.value, answer.ack.error->message);
      continue;
    }
    found->second.state.hand_over.on_acknowledged(answer.ack.leaf, answer.node);
  }
  for (NodeId node : holders_->take_lost()) {
    links_.erase(node);
    push_->on_lost(node);
    for (auto& [id, running] : sequences_) {
      const std::vector<NodeId> nodes = running.state.plan->nodes();
      if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) continue;
      if (running.state.hand_over.released_end() > 1) {
        running.lost = true;
      } else {  // everything is still here: hand it over again, by the plan that stands
        running.state.hand_over = HandOver();
        running.state.plan = plan_;
        running.state.stripe = plan_->stripe(running.state.start.tokens_expected);
      }
    }
  }
}

std::optional<Error> ComputeNode::admit(const StepEntry& entry) {
  const auto found = sequences_.find(entry.sequence);
  if (found == sequences_.end() || found->second.state.start.epoch != entry.epoch)
    return make_error(ErrorCode::kAborted, "sequence ", entry.sequence.value, " epoch ", entry.epoch.value,
                      " is not running here");
  Running& running = found->second;
  if (running.refused) return running.refused;
  if (running.lost)
    return make_error(ErrorCode::kDataLoss, "an attention node that held leaves of sequence ", entry.sequence.value,
                      " is lost");
  if (entry.position != running.state.tokens.size() || entry.tokens.empty())
    return make_error(ErrorCode::kInternal, "sequence ", entry.sequence.value, " continues at ", entry.position,
                      " with ", entry.tokens.size(), " tokens; it has ", running.state.tokens.size());
  for (TokenId token : entry.tokens)
    if (token < 0 || static_cast<std::uint32_t>(token) >= config().vocabulary)
      return make_error(ErrorCode::kInvalidArgument, "token id ", token, " is outside the vocabulary of ",
                        config().vocabulary);
  const auto end = entry.position + static_cast<std::uint32_t>(entry.tokens.size());
  if (!make_room(running, entry.position, end))
    return make_error(ErrorCode::kResourceExhausted, "no KV memory for positions ", entry.position, " to ", end,
                      " of sequence ", entry.sequence.value, ": ", store_.used(), " of ", store_.capacity(),
                      " blocks are used");
  return std::nullopt;
}

// Room for the run's own blocks: from free memory, else from local copies that holders have acknowledged.
bool ComputeNode::make_room(Running& running, std::uint32_t first, std::uint32_t end) {
  if (blocks_.reserve(running.state, first, end)) return true;
  if (holders_ == nullptr) return false;
  const TimePoint deadline = clock_.now() + options_.reply_deadline;
  for (;;) {
    poll();
    for (auto& [id, other] : sequences_) {
      const auto next = static_cast<std::uint32_t>(other.state.tokens.size());
      const std::uint32_t cold = other.ended ? other.state.full_leaves() : cold_end(next);
      blocks_.release_below(other.state, std::min(other.state.hand_over.acknowledged_end(), cold));
    }
    if (blocks_.reserve(running.state, first, end)) return true;
    if (push_->open_offers() == 0 || clock_.now() >= deadline) return false;
    holders_->wait(std::chrono::milliseconds(10));
  }
}

std::vector<AttendedGroup> ComputeNode::attended_groups(const StepBatch& batch, const StepRows& rows) {
  std::vector<AttendedGroup> groups;
  for (const RowGroup& group : rows.groups) {
    const StepEntry& entry = batch.entries[group.entry];
    SequenceState& state = sequences_.at(entry.sequence).state;
    // A prefill attends here as long as the leaves are here; decoding, where the leaves are held.
    if (state.is_decoding(entry.position))
      blocks_.release_below(state, std::min(state.hand_over.acknowledged_end(), cold_end(entry.position)));
    groups.push_back({.rows = group, .sequence = &state, .remote_end = state.hand_over.released_end()});
  }
  return groups;
}

StepOutcome ComputeNode::execute(const StepBatch& batch) {
  const TimePoint begin = clock_.now();
  model::StageClock& stages = activations_.stages;
  stages.start();
  poll();
  for (const SequenceStart& sequence : batch.starts) start(sequence);
  for (SequenceId sequence : batch.releases) release(sequence);
  for (const SequenceKeep& kept : batch.keeps) keep(kept);

  StepOutcome outcome;
  outcome.id = batch.id;
  std::vector<bool> failed(batch.entries.size());
  std::vector<std::uint32_t> alone_from(batch.entries.size(), std::numeric_limits<std::uint32_t>::max());
  std::size_t tokens = 0;
  for (std::size_t e = 0; e < batch.entries.size(); ++e) {
    const StepEntry& entry = batch.entries[e];
    outcome.entries.push_back({entry.sequence, entry.epoch, admit(entry), 0, std::nullopt, {}});
    failed[e] = outcome.entries[e].error.has_value();
    if (!failed[e]) alone_from[e] = sequences_.at(entry.sequence).state.selects_from();
    tokens += entry.tokens.size();
  }
  CHECK(tokens <= options_.rows_max) << "a step of " << tokens << " tokens; the node was made for " << options_.rows_max;

  const StepRows rows = flatten(batch, failed, alone_from);
  if (!rows.tokens.empty()) {
    attention_.begin(batch.id, attended_groups(batch, rows));
    stages.lap(model::Stage::kControl);
    compute_layers(rows);
    for (const AttendedGroup& group : attention_.groups())
      if (group.error) outcome.entries[group.rows.entry].error = group.error;
    finish_entries(batch, outcome);
    stages.lap(model::Stage::kControl);
    sample(batch, rows, outcome);
    stages.lap(model::Stage::kSample);
  }
  const std::uint64_t leaf_blocks = std::uint64_t{config().layers} * config().kv_heads;
  outcome.kv_leaves_used = (store_.used() + leaf_blocks - 1) / leaf_blocks;
  stages.lap(model::Stage::kControl);
  outcome.timing = timing_of(stages.seconds(), std::chrono::duration<double>(clock_.now() - begin).count());
  return outcome;
}

void ComputeNode::compute_layers(const StepRows& rows) {
  decoder_.begin(rows.tokens, rows.positions, activations_);
  for (std::uint32_t layer = 0; layer < config().layers; ++layer) {
    if (attention_.has_remote(layer)) {
      decoder_.queries(layer, activations_);
      attention_.send_queries(layer, activations_);
      decoder_.keys_values(layer, activations_);
    } else {
      decoder_.queries_keys_values(layer, activations_);
    }
    attention_.attend(layer, activations_);
    decoder_.after_attention(layer, activations_);
  }
}

// The runs that succeeded belong to their sequences from here on; full leaves go to their holders.
void ComputeNode::finish_entries(const StepBatch& batch, StepOutcome& outcome) {
  for (std::size_t e = 0; e < batch.entries.size(); ++e) {
    if (outcome.entries[e].error) continue;
    const StepEntry& entry = batch.entries[e];
    Running& running = sequences_.at(entry.sequence);
    SequenceState& state = running.state;
    if (sampling::uses_history(state.start.sampling))
      for (std::size_t t = 0; t < entry.tokens.size(); ++t) {
        if (state.is_decoding(entry.position + static_cast<std::uint32_t>(t))) running.history.add_output(entry.tokens[t]);
        else running.history.add_prompt({&entry.tokens[t], 1});
      }
    state.tokens.insert(state.tokens.end(), entry.tokens.begin(), entry.tokens.end());
    blocks_.drop_outside_window(state);
    if (push_) push_->offer_full_leaves(state);
  }
}

void ComputeNode::sample(const StepBatch& batch, const StepRows& rows, StepOutcome& outcome) {
  std::vector<const LogitRow*> wanted;
  for (const LogitRow& row : rows.logit_rows)
    if (!outcome.entries[row.entry].error) wanted.push_back(&row);
  const std::size_t vocabulary = config().vocabulary;
  for (std::size_t first = 0; first < wanted.size(); first += kLogitRows) {
    const std::size_t count = std::min(kLogitRows, wanted.size() - first);
    std::vector<std::uint32_t> row_indices(count);
    for (std::size_t r = 0; r < count; ++r) row_indices[r] = wanted[first + r]->row;
    decoder_.logits(row_indices, activations_, logits_.data());
    const auto row_logits = [&](std::size_t r) { return std::span<const float>(logits_).subspan(r * vocabulary, vocabulary); };
    if (observer_)
      for (std::size_t r = 0; r < count; ++r)
        observer_(batch.entries[wanted[first + r]->entry].sequence, rows.positions[row_indices[r]], row_logits(r));
    std::vector<EntryOutcome> parts(count);  // rows of one entry may be many: each fills its own
    decoder_.pool().for_each(count, 1, [&](std::size_t begin, std::size_t end, unsigned worker) {
      for (std::size_t r = begin; r < end; ++r)
        score_row(batch, *wanted[first + r], row_logits(r), worker, parts[r]);
    });
    for (std::size_t r = 0; r < count; ++r) {
      EntryOutcome& entry = outcome.entries[wanted[first + r]->entry];
      if (parts[r].error) entry.error = parts[r].error;
      if (parts[r].sampled) entry.sampled = std::move(parts[r].sampled);
      for (ScoredToken& score : parts[r].scores) entry.scores.push_back(std::move(score));
    }
  }
}

void ComputeNode::score_row(const StepBatch& batch, const LogitRow& row, std::span<const float> logits, unsigned worker,
                            EntryOutcome& outcome) {
  const StepEntry& entry = batch.entries[row.entry];
  const Running& running = sequences_.at(entry.sequence);
  const SamplingParams& params = running.state.start.sampling;
  sampling::Sampler& sampler = samplers_[worker];
  if (row.scored >= 0) {
    Result<ScoredToken> score = sampler.score(logits, row.scored, params.top_logprobs);
    if (!score) outcome.error = score.error();
    else outcome.scores.push_back(std::move(*score));
  }
  if (row.sample) {
    Result<ScoredToken> token = sampler.sample(logits, params, running.history, entry.draw);
    if (!token) outcome.error = token.error();
    else outcome.sampled = std::move(*token);
  }
}

}  // namespace longshore::compute
