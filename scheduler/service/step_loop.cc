#include "scheduler/service/step_loop.h"

#include <algorithm>
#include <exception>
#include <tuple>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/plan/leaf.h"

namespace longshore::service {

using batching::BatchSeen;
using batching::SequenceEvent;

struct StepLoop::Replica {
  Replica(ComputeLink& compute_link, const batching::BatcherOptions& options) : link(compute_link), batcher(options) {}

  ComputeLink& link;
  batching::Batcher batcher;
  std::optional<TimePoint> gone_since;
  std::uint64_t leaves_used = 0;
  std::thread thread;
};

Result<void> validate(const StepLoopOptions& options) {
  batching::BatcherOptions batcher = options.batcher;
  batcher.kv_leaves = std::max<std::uint64_t>(1, batcher.kv_leaves);  // the link says how many there are
  if (auto valid = batching::validate(batcher); !valid) return valid.error();
  if (options.retry_interval.count() < 1)
    return make_error(ErrorCode::kInvalidArgument, "retry_interval is ", options.retry_interval.count(),
                      " ms; it must be at least 1");
  return {};
}

Result<std::unique_ptr<StepLoop>> StepLoop::create(const StepLoopOptions& options, std::vector<ComputeLink*> links,
                                                   Metrics& metrics, const Clock& clock) {
  if (auto valid = validate(options); !valid) return valid.error();
  if (links.empty()) return make_error(ErrorCode::kInvalidArgument, "the step loop needs one compute node at least");
  return std::unique_ptr<StepLoop>(new StepLoop(options, std::move(links), metrics, clock));
}

StepLoop::StepLoop(const StepLoopOptions& options, std::vector<ComputeLink*> links, Metrics& metrics,
                   const Clock& clock)
    : options_(options), clock_(clock), metrics_(metrics) {
  for (ComputeLink* link : links) {
    batching::BatcherOptions batcher = options.batcher;
    batcher.kv_leaves = std::max<std::uint64_t>(1, link->kv_leaf_capacity());
    replicas_.push_back(std::make_unique<Replica>(*link, batcher));
  }
  refresh_metrics();
  for (const auto& replica : replicas_) replica->thread = std::thread([this, &replica] { run(*replica); });
}

StepLoop::~StepLoop() { stop(); }

Result<SequenceId> StepLoop::start(GenerationRequest request, GenerationCallback on_event) {
  std::lock_guard lock(mutex_);
  if (draining_) return make_error(ErrorCode::kUnavailable, "the server is shutting down and takes no new requests");
  std::vector<Sha256> names;
  if (replicas_.size() > 1 && options_.batcher.prefix_cache && !request.score_prompt && !request.prompt.empty())
    batching::name_leaves(request.heads, static_cast<std::uint32_t>(request.prompt.size()), request.cache_salt, request.prompt,
                          static_cast<std::uint32_t>((request.prompt.size() - 1) / kLeafTokens), names);
  Replica* replica = choose(request.prompt.size(), names);
  if (!replica) return make_error(ErrorCode::kUnavailable, "no compute node is there: try again later");
  const SequenceId id{last_sequence_.value + 1};
  auto added = replica->batcher.add(id, {.prompt = std::move(request.prompt),
                                         .max_tokens = request.max_tokens,
                                         .score_prompt = request.score_prompt,
                                         .sampling = std::move(request.sampling),
                                         .heads = std::move(request.heads),
                                         .cache_salt = std::move(request.cache_salt),
                                         .leaf_names = std::move(names),
                                         .asks_every_holder = request.asks_every_holder});
  if (!added) return added.error();
  last_sequence_ = id;
  Client& client = clients_[id];
  client.on_event = std::move(on_event);
  client.replica = replica;
  client.times.arrived = clock_.now();
  refresh_metrics();
  wake_.notify_all();
  return id;
}

void StepLoop::cancel(SequenceId sequence) {
  std::lock_guard lock(mutex_);
  const auto client = clients_.find(sequence);
  if (client == clients_.end()) return;
  client->second.replica->batcher.cancel(sequence);
  clients_.erase(client);
  metrics_.on_cancel();
  refresh_metrics();
  wake_.notify_all();
}

GenerationLoad StepLoop::load() const {
  std::lock_guard lock(mutex_);
  GenerationLoad load;
  std::uint64_t used = 0, capacity = 0;
  for (const auto& replica : replicas_) {
    const batching::BatcherLoad part = replica->batcher.load();
    load.running += part.running;
    load.waiting += part.waiting;
    used += replica->leaves_used;
    capacity += part.leaves_capacity;
  }
  load.kv_used = std::min(1.0, static_cast<double>(used) / static_cast<double>(capacity));
  return load;
}

std::uint32_t StepLoop::context_tokens_max() const {
  std::lock_guard lock(mutex_);
  std::uint64_t leaves = 0;
  for (const auto& replica : replicas_) leaves = std::max(leaves, replica->link.kv_leaf_capacity());
  if (leaves == 0) return options_.batcher.context_tokens;  // no node yet: start() says so
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(options_.batcher.context_tokens, leaves * kLeafTokens));
}

bool StepLoop::drain(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  for (const auto& replica : replicas_) replica->batcher.drain();
  if (drained_.wait_for(lock, limit, [&] { return is_idle(); })) return true;
  const bool someone_was_told = !clients_.empty();
  end_all(make_error(ErrorCode::kUnavailable, "the server shut down before the answer was complete"));
  return !someone_was_told;
}

void StepLoop::stop() {
  std::lock_guard joining(joining_);
  {
    std::lock_guard lock(mutex_);
    draining_ = true;
    if (!stopping_since_) stopping_since_ = clock_.now();
    end_all(make_error(ErrorCode::kCancelled, "the server stops"));
  }
  for (const auto& replica : replicas_)
    if (replica->thread.joinable()) replica->thread.join();
}

void StepLoop::set_generation(PlanGeneration generation) {
  std::lock_guard lock(mutex_);
  for (const auto& replica : replicas_) replica->batcher.set_generation(generation);
}

void StepLoop::on_node(std::size_t link) {
  std::lock_guard lock(mutex_);
  replicas_.at(link)->gone_since.reset();
  wake_.notify_all();
}

std::uint32_t StepLoop::compute_nodes_alive() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(
      std::ranges::count_if(replicas_, [](const auto& replica) { return !replica->gone_since.has_value(); }));
}

void StepLoop::run(Replica& replica) {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopping_since_ || !replica.batcher.is_idle(); });
    if (replica.batcher.is_idle()) return;  // stopping, and the last releases are out
    step(replica, lock);
    refresh_metrics();
    if (is_idle()) drained_.notify_all();
  }
}

// One turn: what to compute, computing it, what came of it. The lock is not held in the middle.
void StepLoop::step(Replica& replica, std::unique_lock<std::mutex>& lock) {
  if (const std::uint64_t leaves = replica.link.kv_leaf_capacity(); leaves > 0) replica.batcher.set_kv_leaves(leaves);
  std::vector<SequenceEvent> events;
  std::optional<StepBatch> batch = replica.batcher.next_batch(events);
  deliver(std::move(events));
  if (!batch) return;
  for (const SequenceStart& started : batch->starts)
    metrics_.on_scheduled(clients_.at(started.sequence).times, clock_.now(), started.prompt_tokens);

  lock.unlock();
  const StepId id = batch->id;
  BatchSeen seen = BatchSeen::kNo;
  Result<StepOutcome> outcome = make_error(ErrorCode::kInternal, "step ", id.value, " was not computed");
  try {
    if (auto submitted = replica.link.submit(std::move(*batch)); submitted) {
      seen = BatchSeen::kYes;
      outcome = await_outcome(replica, id);
    } else {
      outcome = submitted.error();
    }
  } catch (const std::exception& exception) {
    outcome = make_error(ErrorCode::kInternal, "step ", id.value, ": ", exception.what());
  }
  lock.lock();

  if (outcome) {
    replica.gone_since.reset();
    replica.leaves_used = outcome->kv_leaves_used;
    metrics_.on_step(outcome->timing);
    deliver(replica.batcher.on_outcome(*outcome));
    return;
  }
  on_lost(replica, outcome.error(), seen);
  if (!replica.batcher.is_idle()) wake_.wait_for(lock, options_.retry_interval, [&] { return stopping_since_.has_value(); });
}

Result<StepOutcome> StepLoop::await_outcome(Replica& replica, StepId id) {
  const TimePoint submitted = clock_.now();
  for (;;) {
    Result<StepOutcome> outcome = replica.link.wait(options_.retry_interval);
    if (outcome && outcome->id == id) return outcome;
    if (!outcome && outcome.error().code != ErrorCode::kDeadlineExceeded) return outcome.error();
    const TimePoint now = clock_.now();
    if (now - submitted > options_.step_max)
      return make_error(ErrorCode::kUnavailable, "the compute node did not answer step ", id.value, " within ",
                        options_.step_max.count(), " ms");
    std::lock_guard lock(mutex_);
    if (stopping_since_ && now - *stopping_since_ > options_.stop_max)
      return make_error(ErrorCode::kUnavailable, "step ", id.value, " still runs, but the server stops");
  }
}

void StepLoop::on_lost(Replica& replica, const Error& error, BatchSeen seen) {
  const TimePoint now = clock_.now();
  if (!replica.gone_since) {
    replica.gone_since = now;
    log::warn("compute node lost: {}; its sequences are run again", error.to_string());
  }
  replica.leaves_used = 0;
  deliver(replica.batcher.on_node_lost(error, seen));
  move_sequences(replica);
  if (now - *replica.gone_since >= options_.compute_gone_max || stopping_since_)
    deliver(replica.batcher.fail_all(
        make_error(ErrorCode::kUnavailable, "no compute node is there: ", error.message)));
}

// To replicas that are there, if there are any; else the sequences wait where they are.
void StepLoop::move_sequences(Replica& from) {
  for (batching::Sequence& sequence : from.batcher.give_up_all()) {
    Replica* target = choose(sequence.tokens.size(), sequence.leaf_names);
    if (!target || target->gone_since) target = &from;
    clients_.at(sequence.id).replica = target;
    target->batcher.take_over(std::move(sequence));
  }
  wake_.notify_all();
}

// Where a sequence of so many rows begins soonest: the replica with the fewest rows to run before its first token, its own
// among them but for those that a prefix there spares. Each sequence of the replica, which will want rows later, counts as
// a leaf of them, so that one known prefix does not gather everything at one node. Of the nodes that have room at all: of
// those that answered last, else of those that may come back (a request is how they are tried again). Nothing if there is
// none.
StepLoop::Replica* StepLoop::choose(std::size_t rows, std::span<const Sha256> leaf_names) {
  Replica* best = nullptr;
  const auto rank = [&](const Replica& replica) {
    const batching::BatcherLoad load = replica.batcher.load();
    const std::uint64_t own = rows - std::min<std::uint64_t>(rows, replica.batcher.rows_cached(leaf_names));
    const std::uint64_t sequences = load.running + load.waiting;
    return std::tuple(replica.gone_since.has_value(), own + replica.batcher.rows_missing() + sequences * kLeafTokens,
                      sequences);  // of two as good the idler one
  };
  for (const auto& replica : replicas_) {
    const std::uint64_t leaves = replica->link.kv_leaf_capacity();
    if (leaves == 0) continue;
    replica->batcher.set_kv_leaves(leaves);
    if (!best || rank(*replica) < rank(*best)) best = replica.get();
  }
  return best;
}

void StepLoop::deliver(std::vector<SequenceEvent> events) {
  const TimePoint now = clock_.now();
  for (SequenceEvent& event : events) {
    const auto found = clients_.find(event.sequence);
    if (found == clients_.end()) continue;
    Client& client = found->second;
    if (event.token) metrics_.on_token(client.times, now);
    if (event.finish) metrics_.on_finish(client.times, now, *event.finish);
    if (event.error) metrics_.on_error(*event.error);
    const bool is_last = event.finish || event.error;
    GenerationEvent told;
    told.prompt_scores = std::move(event.prompt_scores);
    told.token = std::move(event.token);
    if (event.finish)
      told.finish = *event.finish == batching::FinishReason::kStop ? FinishReason::kStop : FinishReason::kLength;
    told.error = std::move(event.error);
    told.prompt_tokens_done = event.prompt_tokens_done;
    told.cached_tokens = event.cached_tokens;
    client.on_event(told);
    if (is_last) clients_.erase(found);
  }
}

void StepLoop::end_all(const Error& error) {
  for (const auto& replica : replicas_) deliver(replica->batcher.fail_all(error));
  wake_.notify_all();
}

bool StepLoop::is_idle() const {
  return std::ranges::all_of(replicas_, [](const auto& replica) {
    return replica->batcher.is_idle() && !replica->batcher.has_in_flight();
  });
}

void StepLoop::refresh_metrics() {
  batching::BatcherLoad load;
  batching::BatcherCounts counts;
  std::uint64_t leaves_used = 0;
  for (const auto& replica : replicas_) {
    const batching::BatcherLoad part = replica->batcher.load();
    load.running += part.running;
    load.waiting += part.waiting;
    load.leaves_capacity += part.leaves_capacity;
    load.leaves_cached += part.leaves_cached;
    leaves_used += replica->leaves_used;
    const batching::BatcherCounts& of_replica = replica->batcher.counts();
    counts.pauses += of_replica.pauses;
    counts.recomputes += of_replica.recomputes;
    counts.tokens_discarded += of_replica.tokens_discarded;
    counts.prefix_queries += of_replica.prefix_queries;
    counts.prefix_hits += of_replica.prefix_hits;
  }
  metrics_.on_load(load, leaves_used);
  metrics_.on_counts(counts);
}

}  // namespace longshore::service
