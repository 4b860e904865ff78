#include "scheduler/batching/batcher.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/plan/leaf.h"
#include "scheduler/batching/admission.h"
#include "scheduler/batching/preemption.h"
#include "scheduler/batching/prefill_shares.h"

namespace longshore::batching {

Batcher::Batcher(const BatcherOptions& options)
    : options_(options), queue_(options.queue_sequences_max), allowance_(options.decode_share, options.chunk_tokens) {
  const auto valid = validate(options);
  CHECK(valid.has_value()) << valid.error().to_string();
}

Result<void> Batcher::add(SequenceId id, SequenceRequest request) {
  CHECK(sequences_.empty() || sequences_.rbegin()->first < id) << "sequence " << id.value << " is not new";
  if (draining_) return make_error(ErrorCode::kUnavailable, "the server is shutting down and takes no new requests");
  if (auto possible = check_request(request, options_); !possible) return possible.error();
  if (queue_.is_full())
    return make_error(ErrorCode::kResourceExhausted, queue_.size(), " requests wait already, and ", admitted_.size(),
                      " run; at most ", queue_.sequences_max(), " may wait: try again later");
  Sequence sequence;
  sequence.id = id;
  sequence.prompt_tokens = static_cast<std::uint32_t>(request.prompt.size());
  sequence.tokens = std::move(request.prompt);
  sequence.max_tokens = request.max_tokens;
  sequence.score_prompt = request.score_prompt;
  sequence.heads = std::move(request.heads);
  sequence.cache_salt = std::move(request.cache_salt);
  sequence.leaf_names = std::move(request.leaf_names);
  sequence.rows_spared = rows_cached(sequence.leaf_names);
  sequence.asks_every_holder = request.asks_every_holder;
  sequence.sampling = std::move(request.sampling);
  sequences_.emplace(id, std::move(sequence));
  queue_.insert(id);
  return {};
}

void Batcher::cancel(SequenceId id) { retire(id); }

std::optional<StepBatch> Batcher::next_batch(std::vector<SequenceEvent>& events) {
  CHECK(!in_flight_) << "step " << in_flight_->id.value << " has no outcome yet";
  pause_what_no_longer_fits();
  grow_decodes(events);
  admit(events);

  StepBatch batch;
  batch.id = StepId{last_step_.value + 1};
  batch.generation = generation_;
  InFlight flight;
  flight.id = batch.id;
  std::vector<Sequence*> prefills;
  std::vector<std::uint32_t> rows_missing;
  for (const SequenceId id : admitted_) {
    Sequence& sequence = sequences_.at(id);
    if (sequence.phase == Phase::kDecode) {
      append(sequence, 1, batch, flight);
      ++flight.decodes;  // at most chunk_tokens: so is admitted_max()
    } else if (!releases_.contains(id)) {  // else its earlier epoch is released first
      if (!sequence.started && awaits_prefix(sequence, prefills.empty() ? nullptr : prefills.front())) continue;
      prefills.push_back(&sequence);
      rows_missing.push_back(sequence.rows_missing());
    }
  }
  const std::vector<std::uint32_t> shares = prefill_shares(rows_missing, allowance_.tokens(flight.decodes));
  for (std::size_t i = 0; i < prefills.size(); ++i) {
    if (shares[i] > 0) append(*prefills[i], shares[i], batch, flight);
    flight.prompt_tokens += shares[i];
  }

  batch.releases.assign(releases_.begin(), releases_.end());
  releases_.clear();
  for (const auto& [id, leaves] : keeps_) batch.keeps.push_back({id, leaves});
  keeps_.clear();
  if (batch.entries.empty() && batch.releases.empty() && batch.keeps.empty()) return std::nullopt;
  last_step_ = batch.id;
  in_flight_ = std::move(flight);
  return batch;
}

void Batcher::pause_what_no_longer_fits() {
  while (leaves_reserved_ + prefixes_.leaves() > options_.kv_leaves) {
    if (evict_prefix()) continue;
    const auto youngest = to_pause(admitted_);
    CHECK(youngest) << leaves_reserved_ << " leaves are reserved by nobody";
    pause(sequences_.at(*youngest));
  }
}

// A decode that steps into a leaf beyond its room gets one, if need be from the youngest.
void Batcher::grow_decodes(std::vector<SequenceEvent>& events) {
  const std::vector<SequenceId> by_age(admitted_.begin(), admitted_.end());
  for (const SequenceId id : by_age) {
    Sequence& sequence = sequences_.at(id);
    const std::uint64_t leaves = leaves_for(sequence.tokens.size()) - sequence.leaves_cached;
    while (sequence.phase == Phase::kDecode && leaves > sequence.leaves_reserved) {
      if (make_room(leaves - sequence.leaves_reserved)) {
        reserve(sequence, leaves);
      } else if (admitted_.size() > 1) {
        pause(sequences_.at(*to_pause(admitted_)));  // perhaps this one: its phase then ends the loop
      } else {
        fail(id,
             make_error(ErrorCode::kResourceExhausted, "KV room fell to ", options_.kv_leaves,
                        " leaves while a sequence ran that now needs ", leaves),
             events);
        break;
      }
    }
  }
}

// Strictly by age: a younger one that would fit does not pass, or it could keep an older one out for ever.
void Batcher::admit(std::vector<SequenceEvent>& events) {
  while (admitted_.size() < admitted_max()) {
    const auto oldest = queue_.oldest();
    if (!oldest) return;
    Sequence& sequence = sequences_.at(*oldest);
    if (leaves_for(sequence.tokens.size()) > options_.kv_leaves) {
      fail(*oldest,
           make_error(ErrorCode::kResourceExhausted, "KV room fell to ", options_.kv_leaves,
                      " leaves while a sequence waited that needs ", leaves_for(sequence.tokens.size())),
           events);
      continue;
    }
    const std::uint64_t leaves = std::min(leaves_to_admit(sequence), options_.kv_leaves);
    take_prefix(sequence);
    if (!make_room(leaves - sequence.leaves_cached)) {
      leave_prefix(sequence);
      // Copies on the path of a prefix are evicted only with it: alone, it makes room by giving up what it would begin with.
      if (!admitted_.empty() || !make_room(leaves)) return;
    }
    queue_.erase(*oldest);
    admitted_.insert(*oldest);
    reserve(sequence, leaves - sequence.leaves_cached);
    sequence.phase = Phase::kPrefill;
  }
}

// Nothing where every row's logits are asked for.
bool Batcher::may_take_prefix(const Sequence& sequence) const {
  return options_.prefix_cache && !(sequence.score_prompt && !sequence.scores_told);
}

void Batcher::take_prefix(Sequence& sequence) {
  if (!may_take_prefix(sequence)) return;
  const std::uint32_t leaves = sequence.leaves_to_share();
  name_leaves(sequence.heads, sequence.prompt_tokens, sequence.cache_salt, sequence.tokens, leaves, sequence.leaf_names);
  sequence.prefix = prefixes_.find(std::span(sequence.leaf_names).first(leaves));
  if (!sequence.prefix) return;
  sequence.leaves_cached = sequence.prefix->leaves;
  sequence.last_cached = sequence.leaf_names[sequence.leaves_cached - 1];
  prefixes_.pin(sequence.last_cached);
  sequence.rows_done = sequence.leaves_cached * kLeafTokens;
}

// Since it was admitted others may have left more behind; an older one that runs may have computed what both begin with, or
// be about to. That one is waited for unless it would be passed: then this one would be done sooner by itself.
bool Batcher::awaits_prefix(Sequence& sequence, const Sequence* oldest_prefill) {
  // What began with others' leaves and lost them starts from its tokens.
  if (!may_take_prefix(sequence) || sequence.recomputes > 0) return false;
  const std::uint64_t room = sequence.leaves_reserved + sequence.leaves_cached;
  leave_prefix(sequence);
  take_prefix(sequence);
  reserve(sequence, room - sequence.leaves_cached);
  if (ends_whole(sequence)) return false;  // a running one holds only what its own next row sees
  const RunningPrefix running = running_prefix(sequence);
  if (running.leaves <= sequence.leaves_cached) return false;
  const Sequence& carrier = *running.carrier;
  const std::uint32_t done = std::min(running.leaves, carrier.rows_done / kLeafTokens);
  if (done < running.leaves && carrier.phase == Phase::kPrefill &&
      (&carrier == oldest_prefill || carrier.rows_missing() <= sequence.rows_missing()))
    return true;
  const bool is_usable = carrier.started && carrier.generation == generation_ && !releases_.contains(carrier.id);
  if (!is_usable || done <= sequence.leaves_cached || !make_room(sequence.leaves_cached)) return false;
  // The room of what it shares with a running one is counted twice: either may be the last to hold it.
  leave_prefix(sequence);
  reserve(sequence, room);
  sequence.prefix = SequenceStart::Prefix{carrier.id, carrier.epoch, done};
  sequence.rows_done = done * kLeafTokens;
  return false;
}

// Of the older ones that run the one that begins with most of the same leaves, the oldest of several.
Batcher::RunningPrefix Batcher::running_prefix(const Sequence& sequence) const {
  RunningPrefix longest;
  const std::span<const Sha256> names = std::span(sequence.leaf_names).first(sequence.leaves_to_share());
  for (const SequenceId id : admitted_) {
    if (id >= sequence.id || longest.leaves == names.size()) break;
    const Sequence& other = sequences_.at(id);
    const std::uint32_t leaves = leaves_in_common(names, other.leaf_names);
    if (leaves > longest.leaves) longest = {&other, leaves};
  }
  return longest;
}

void Batcher::leave_prefix(Sequence& sequence) {
  if (sequence.leaves_cached > 0) prefixes_.unpin(sequence.last_cached);
  sequence.leaves_cached = 0;
  if (sequence.started) return;  // it holds what it took over until it is released
  sequence.prefix.reset();
  sequence.rows_done = 0;
}

bool Batcher::make_room(std::uint64_t leaves) {
  while (leaves > leaves_free())
    if (!evict_prefix()) return false;
  return true;
}

bool Batcher::evict_prefix() {
  const std::optional<PrefixCache::Eviction> eviction = prefixes_.evict();
  if (!eviction) return false;
  keeps_.erase(eviction->carrier);
  if (eviction->keep > 0) keeps_[eviction->carrier] = eviction->keep;
  else releases_.insert(eviction->carrier);
  return true;
}

// What running sequences took over is from here on theirs.
void Batcher::drop_prefixes() {
  for (auto& [id, sequence] : sequences_) {
    reserve(sequence, sequence.leaves_reserved + sequence.leaves_cached);
    leave_prefix(sequence);
  }
  for (const SequenceId carrier : prefixes_.clear()) {
    keeps_.erase(carrier);
    releases_.insert(carrier);
  }
}

void Batcher::set_generation(PlanGeneration generation) {
  if (generation != generation_) drop_prefixes();
  generation_ = generation;
}

void Batcher::append(Sequence& sequence, std::uint32_t rows, StepBatch& batch, InFlight& flight) {
  if (!sequence.started) {
    batch.starts.push_back({.sequence = sequence.id,
                            .epoch = sequence.epoch,
                            .sampling = sequence.sampling,
                            .prompt_tokens = sequence.prompt_tokens,
                            .tokens_expected = std::uint64_t{sequence.prompt_tokens} + sequence.max_tokens,
                            .heads = sequence.heads,
                            .prefix = sequence.prefix,
                            .asks_every_holder = sequence.asks_every_holder});
    sequence.started = true;
    sequence.generation = generation_;
    counts_.prefix_queries += sequence.tokens.size();
    counts_.prefix_hits += sequence.rows_done;
    if (sequence.epoch == SequenceEpoch{1})
      sequence.prompt_tokens_cached = std::min(sequence.rows_done, sequence.prompt_tokens);
  }
  const std::uint32_t begin = sequence.rows_done, end = begin + rows;
  StepEntry entry;
  entry.sequence = sequence.id;
  entry.epoch = sequence.epoch;
  entry.position = begin;
  entry.tokens.assign(sequence.tokens.begin() + begin, sequence.tokens.begin() + end);
  entry.sample = end == sequence.tokens.size() && sequence.max_tokens > 0;
  entry.draw = sequence.produced();
  // Scores are of prompt[1..] and known once: a prompt that is run again after its scores are complete is not scored.
  const std::uint32_t last_scored = sequence.prompt_tokens - 1;
  std::uint32_t scores = 0;
  if (sequence.score_prompt && sequence.scores.size() < last_scored) scores = std::min(end, last_scored) - begin;
  entry.score = scores > 0;
  if (entry.score && end <= last_scored) entry.next_token = sequence.tokens[end];
  flight.entries.push_back({sequence.id, sequence.epoch, rows, entry.sample, scores});
  batch.entries.push_back(std::move(entry));
}

std::vector<SequenceEvent> Batcher::on_outcome(const StepOutcome& outcome) {
  CHECK(awaits(outcome.id)) << "outcome of step " << outcome.id.value << " is not awaited";
  const InFlight flight = std::move(*in_flight_);
  in_flight_.reset();
  allowance_.on_step(flight.decodes, flight.prompt_tokens, outcome.timing.total);
  std::unordered_map<SequenceId, const EntryOutcome*> by_sequence;
  for (const EntryOutcome& entry : outcome.entries) by_sequence.emplace(entry.sequence, &entry);

  std::vector<SequenceEvent> events;
  for (const InFlightEntry& expected : flight.entries) {
    const auto alive = sequences_.find(expected.sequence);
    if (alive == sequences_.end()) continue;  // cancelled while the step ran
    const auto found = by_sequence.find(expected.sequence);
    if (found == by_sequence.end() || found->second->epoch != expected.epoch) {
      fail(expected.sequence,
           make_error(ErrorCode::kInternal, "the outcome of step ", flight.id.value, " lacks sequence ",
                      expected.sequence.value, " epoch ", expected.epoch.value),
           events);
      continue;
    }
    apply(alive->second, expected, *found->second, events);
  }
  return events;
}

void Batcher::apply(Sequence& sequence, const InFlightEntry& expected, const EntryOutcome& outcome,
                    std::vector<SequenceEvent>& events) {
  if (outcome.error) {
    // Lost KV, a plan that moved on, and room that is still in hand-over cost a recomputation; anything else is the
    // client's to know.
    const ErrorCode code = outcome.error->code;
    if (code == ErrorCode::kDataLoss || code == ErrorCode::kAborted || code == ErrorCode::kResourceExhausted)
      recover(sequence, *outcome.error, events);
    else
      fail(sequence.id, *outcome.error, events);
    return;
  }
  const bool token_is_legal = outcome.sampled && outcome.sampled->token >= 0 &&
                              static_cast<std::uint32_t>(outcome.sampled->token) < options_.vocabulary_tokens;
  if (outcome.sampled.has_value() != expected.sample || (expected.sample && !token_is_legal) ||
      outcome.scores.size() != expected.scores) {
    fail(sequence.id,
         make_error(ErrorCode::kInternal, "the outcome of sequence ", sequence.id.value, " has ", outcome.scores.size(),
                    " scores where ", expected.scores, " were due, and ",
                    !outcome.sampled ? "no token" : token_is_legal ? "a token" : "a token outside the vocabulary",
                    " where ", expected.sample ? "one" : "none", " was due"),
         events);
    return;
  }
  SequenceEvent event;
  event.sequence = sequence.id;
  sequence.rows_done += expected.rows;
  sequence.scores.insert(sequence.scores.end(), outcome.scores.begin(), outcome.scores.end());
  const std::uint32_t told = sequence.prompt_tokens_told;
  sequence.prompt_tokens_told = std::max(told, std::min(sequence.rows_done, sequence.prompt_tokens));
  event.prompt_tokens_done = sequence.prompt_tokens_told;
  event.cached_tokens = sequence.prompt_tokens_cached;
  if (sequence.rows_done >= sequence.prompt_tokens && !std::exchange(sequence.scores_told, true))
    event.prompt_scores = sequence.scores;
  if (outcome.sampled) apply_token(sequence, *outcome.sampled, event);
  if (sequence.max_tokens == 0 && sequence.rows_missing() == 0) event.finish = FinishReason::kLength;
  if (event.finish) retire(sequence.id);
  if (event.token || event.finish || event.prompt_tokens_done != told) events.push_back(std::move(event));
}

void Batcher::apply_token(Sequence& sequence, const ScoredToken& sampled, SequenceEvent& event) {
  const SamplingParams& sampling = sequence.sampling;
  const bool may_end = !sampling.ignore_eos && sequence.produced() >= sampling.min_tokens;
  sequence.tokens.push_back(sampled.token);
  sequence.phase = Phase::kDecode;
  sequence.recomputes = 0;
  event.token = sampled;
  if (may_end && std::ranges::find(sampling.end_tokens, sampled.token) != sampling.end_tokens.end())
    event.finish = FinishReason::kStop;
  else if (sequence.produced() >= sequence.max_tokens)
    event.finish = FinishReason::kLength;
}

// The sequence keeps its room: nobody younger may slip into it. Ended ones may have lost as much as this one.
void Batcher::recover(Sequence& sequence, const Error& error, std::vector<SequenceEvent>& events) {
  drop_prefixes();
  if (++sequence.recomputes > options_.recomputes_max) return fail(sequence.id, error, events);
  ++counts_.recomputes;
  release(sequence);
  restart(sequence);
}

std::vector<SequenceEvent> Batcher::on_node_lost(const Error& error, BatchSeen seen) {
  std::vector<SequenceEvent> events;
  if (in_flight_ && seen == BatchSeen::kYes)
    for (const InFlightEntry& entry : in_flight_->entries)
      if (const auto alive = sequences_.find(entry.sequence); alive != sequences_.end())
        recover(alive->second, error, events);
  in_flight_.reset();
  drop_prefixes();
  for (const SequenceId id : admitted_) {
    if (sequences_.at(id).started) ++counts_.recomputes;  // those of the batch are counted
    restart(sequences_.at(id));
  }
  releases_.clear();  // whoever held them is gone
  keeps_.clear();
  return events;
}

std::vector<SequenceEvent> Batcher::fail_all(const Error& error) {
  std::vector<SequenceEvent> events;
  while (!sequences_.empty()) fail(sequences_.begin()->first, error, events);
  return events;
}

std::vector<Sequence> Batcher::give_up_all() {
  CHECK(!in_flight_ && releases_.empty()) << "sequences are given up only after their node was lost";
  std::vector<Sequence> all;
  while (!sequences_.empty()) {
    Sequence& sequence = sequences_.begin()->second;
    CHECK(!sequence.started) << "sequence " << sequence.id.value << " is still held by its node";
    reserve(sequence, 0);
    sequence.phase = Phase::kWaiting;
    all.push_back(std::move(sequence));
    forget(all.back().id);
  }
  return all;
}

void Batcher::take_over(Sequence sequence) {
  CHECK(!sequence.started && sequence.leaves_reserved == 0 && !sequences_.contains(sequence.id))
      << "sequence " << sequence.id.value << " belongs elsewhere";
  sequence.rows_spared = rows_cached(sequence.leaf_names);
  queue_.insert(sequence.id);
  sequences_.emplace(sequence.id, std::move(sequence));
}

BatcherLoad Batcher::load() const {
  return {.running = static_cast<std::uint32_t>(admitted_.size()),
          .waiting = static_cast<std::uint32_t>(queue_.size()),
          .leaves_reserved = leaves_reserved_,
          .leaves_cached = prefixes_.leaves(),
          .leaves_capacity = options_.kv_leaves};
}

std::uint64_t Batcher::rows_missing() const {
  std::uint64_t rows = 0;
  for (const auto& [id, sequence] : sequences_)
    rows += sequence.rows_missing() - (sequence.phase == Phase::kWaiting ? sequence.rows_spared : 0);
  return rows;
}

std::uint64_t Batcher::rows_cached(std::span<const Sha256> leaf_names) const {
  const auto prefix = prefixes_.match(leaf_names);
  return prefix ? std::uint64_t{prefix->leaves} * kLeafTokens : 0;
}

std::uint64_t Batcher::leaves_free() const {
  const std::uint64_t used = leaves_reserved_ + prefixes_.leaves();
  return options_.kv_leaves > used ? options_.kv_leaves - used : 0;
}

// No more than there are rows in a step: then each decode gets its row in each step.
std::uint32_t Batcher::admitted_max() const { return std::min(options_.max_sequences, options_.chunk_tokens); }

void Batcher::reserve(Sequence& sequence, std::uint64_t leaves) {
  leaves_reserved_ += leaves - sequence.leaves_reserved;  // modulo 2^64, also where it falls
  sequence.leaves_reserved = leaves;
}

void Batcher::pause(Sequence& sequence) {
  ++counts_.pauses;
  release(sequence);
  restart(sequence);
  leave_prefix(sequence);
  reserve(sequence, 0);
  sequence.phase = Phase::kWaiting;
  admitted_.erase(sequence.id);
  queue_.insert(sequence.id);
}

// Nothing is computed under the next epoch.
void Batcher::restart(Sequence& sequence) {
  if (!sequence.started) return;
  counts_.tokens_discarded += sequence.rows_done;
  sequence.epoch = SequenceEpoch{sequence.epoch.value + 1};
  sequence.started = false;
  sequence.prefix.reset();
  sequence.rows_done = 0;
  sequence.phase = Phase::kPrefill;
  if (!sequence.scores_told) sequence.scores.clear();
}

void Batcher::release(const Sequence& sequence) {
  if (sequence.started) CHECK(releases_.insert(sequence.id).second) << "sequence " << sequence.id.value << " twice";
}

// The end of one whose KV is sound: its leaves may serve others.
void Batcher::retire(SequenceId id) {
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return;
  Sequence& sequence = found->second;
  const std::uint32_t leaves = sequence.rows_done / kLeafTokens;
  // What lies by an earlier plan would keep others from the present one.
  if (options_.prefix_cache && sequence.started && sequence.generation == generation_ && leaves > 0) {
    bool has_place = true;
    while (has_place && prefixes_.carriers() >= PrefixCache::kCarriersMax) has_place = evict_prefix();
    name_leaves(sequence.heads, sequence.prompt_tokens, sequence.cache_salt, sequence.tokens, leaves, sequence.leaf_names);
    if (has_place && prefixes_.carry(id, sequence.epoch, std::span(sequence.leaf_names).first(leaves),
                                     sequence.leaves_cached, sequence.prefix, ends_whole(sequence))) {
      keeps_[id] = leaves;
      sequence.started = false;  // there is nothing left to release as its own
    }
  }
  forget(id);
}

void Batcher::forget(SequenceId id) {
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return;
  release(found->second);
  leave_prefix(found->second);
  reserve(found->second, 0);
  admitted_.erase(id);
  queue_.erase(id);
  sequences_.erase(found);
}

void Batcher::fail(SequenceId id, Error error, std::vector<SequenceEvent>& events) {
  forget(id);
  SequenceEvent event;
  event.sequence = id;
  event.error = std::move(error);
  events.push_back(std::move(event));
}

}  // namespace longshore::batching
