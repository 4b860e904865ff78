#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/plan/step_batch.h"
#include "runtime/plan/step_outcome.h"
#include "scheduler/batching/batcher_options.h"
#include "scheduler/batching/prefill_allowance.h"
#include "scheduler/batching/prefix_cache.h"
#include "scheduler/batching/request_queue.h"
#include "scheduler/batching/sequence.h"

namespace longshore::batching {

struct BatcherLoad {
  std::uint32_t running = 0;         // admitted
  std::uint32_t waiting = 0;         // not yet, or paused
  std::uint64_t leaves_reserved = 0;
  std::uint64_t leaves_cached = 0;   // of ended sequences, or shared by running ones
  std::uint64_t leaves_capacity = 0;
};

// Totals since the start.
struct BatcherCounts {
  std::uint64_t pauses = 0;          // for want of KV room
  std::uint64_t recomputes = 0;      // because KV was lost or a plan moved on
  std::uint64_t tokens_discarded = 0;  // rows that were computed and must be run again, for either reason
  std::uint64_t prefix_queries = 0;    // tokens of sequences that started
  std::uint64_t prefix_hits = 0;       // those of them that were taken over from other sequences
};

// Whether a lost node had seen the batch in flight. If so that batch may be what killed it.
enum class BatchSeen { kNo, kYes };

// Continuous batching with chunked prefill, for one compute node: holds the sequences by id and decides what each step
// computes. It reads no clock, so events alone determine what it does (a step's outcome says how long it took).
//
// Each step runs one row of every decoding sequence, then prefill chunks in what is left of `chunk_tokens`, as far as the
// decodes keep their share of the time (prefill_allowance.h, prefill_shares.h). Sequences are admitted strictly by age, on
// room for their tokens and one leaf more; when a decode needs a leaf that is not there the youngest is paused, so the oldest always advances and nobody waits for
// ever. Every (sequence, epoch) that a batch starts is released in exactly one later batch, and is started again, under
// the next epoch, only in a batch after that. In between, after its end, its leaves may be kept for others that begin
// with the same tokens (prefix_cache.h); they give way to whoever needs the room. Sequences that run at the same time share
// what they begin with, too: the younger one starts when the older has computed it.
//
// Thread: one.
class Batcher {
 public:
  explicit Batcher(const BatcherOptions& options);  // Requires: validate(options)

  // Errors: kInvalidArgument (empty prompt, token outside the vocabulary, longer than the context),
  // kResourceExhausted (queue full; longer than all KV room), kUnavailable (draining).
  // `id` must be new and larger than earlier ones: ids order sequences by age.
  Result<void> add(SequenceId id, SequenceRequest request);

  // Forgets the sequence, also while its step is in flight; its KV is released by the next batch. Unknown ids are
  // ignored (it may have just finished).
  void cancel(SequenceId id);

  // The next step, or nothing if there is nothing to do. Requires: no batch in flight.
  // Sequences that no longer fit even alone (room shrank) end with an error, appended to `events`.
  std::optional<StepBatch> next_batch(std::vector<SequenceEvent>& events);

  // Requires: awaits(outcome.id).
  std::vector<SequenceEvent> on_outcome(const StepOutcome& outcome);

  // The compute node is gone, with all it held and any batch in flight. Admitted sequences keep their room and start
  // again under the next epoch, from their token ids. A loss counts against recomputes_max for the sequences of a batch
  // that was seen; those beyond it end with `error`.
  std::vector<SequenceEvent> on_node_lost(const Error& error, BatchSeen seen);

  // Ends all sequences with `error`.
  std::vector<SequenceEvent> fail_all(const Error& error);

  // For another replica: gives up all sequences (after on_node_lost), or takes one over. A sequence taken over is
  // not refused for a full queue: it was accepted once.
  std::vector<Sequence> give_up_all();
  void take_over(Sequence sequence);

  // From the next batch on. What ended sequences left behind lies where an earlier plan had it: a new one drops it.
  void set_kv_leaves(std::uint64_t leaves) { options_.kv_leaves = leaves; }
  void set_generation(PlanGeneration generation);
  // No new sequences from now on.
  void drain() { draining_ = true; }

  bool awaits(StepId id) const { return in_flight_ && in_flight_->id == id; }
  bool has_in_flight() const { return in_flight_.has_value(); }
  // Nothing to compute and nothing to release.
  bool is_idle() const { return sequences_.empty() && releases_.empty() && keeps_.empty(); }
  BatcherLoad load() const;
  // Of all sequences, before each has its next token. Looks at every one: for when a request comes, not for each step.
  std::uint64_t rows_missing() const;
  // Of a sequence whose first leaves have these names, the rows that ended ones left here.
  std::uint64_t rows_cached(std::span<const Sha256> leaf_names) const;
  const BatcherCounts& counts() const { return counts_; }

 private:
  struct InFlightEntry {
    SequenceId sequence;
    SequenceEpoch epoch;
    std::uint32_t rows = 0;
    bool sample = false;
    std::uint32_t scores = 0;  // expected
  };
  struct InFlight {
    StepId id;
    std::uint32_t decodes = 0;
    std::uint32_t prompt_tokens = 0;
    std::vector<InFlightEntry> entries;
  };

  // In the order in which next_batch takes them.
  void pause_what_no_longer_fits();
  void grow_decodes(std::vector<SequenceEvent>& events);
  void admit(std::vector<SequenceEvent>& events);
  void append(Sequence& sequence, std::uint32_t rows, StepBatch& batch, InFlight& flight);

  void apply(Sequence& sequence, const InFlightEntry& expected, const EntryOutcome& outcome,
             std::vector<SequenceEvent>& events);
  void apply_token(Sequence& sequence, const ScoredToken& sampled, SequenceEvent& event);
  void recover(Sequence& sequence, const Error& error, std::vector<SequenceEvent>& events);

  bool may_take_prefix(const Sequence& sequence) const;
  // Whether it can be continued only where it ended (PrefixCache::carry).
  bool ends_whole(const Sequence& sequence) const {
    return options_.prefixes_end_whole || !sequence.heads.sees_all();
  }
  void take_prefix(Sequence& sequence);
  bool awaits_prefix(Sequence& sequence, const Sequence* oldest_prefill);
  struct RunningPrefix {
    const Sequence* carrier = nullptr;
    std::uint32_t leaves = 0;
  };
  RunningPrefix running_prefix(const Sequence& sequence) const;
  void leave_prefix(Sequence& sequence);
  bool make_room(std::uint64_t leaves);
  bool evict_prefix();
  void drop_prefixes();

  std::uint64_t leaves_free() const;
  std::uint32_t admitted_max() const;
  void reserve(Sequence& sequence, std::uint64_t leaves);
  void pause(Sequence& sequence);
  void restart(Sequence& sequence);
  void release(const Sequence& sequence);
  void retire(SequenceId id);
  void forget(SequenceId id);
  void fail(SequenceId id, Error error, std::vector<SequenceEvent>& events);

  BatcherOptions options_;
  std::map<SequenceId, Sequence> sequences_;  // all that are alive, by age
  std::set<SequenceId> admitted_;
  RequestQueue queue_;
  PrefixCache prefixes_;
  PrefillAllowance allowance_;
  std::set<SequenceId> releases_;               // for the next batch
  std::map<SequenceId, std::uint32_t> keeps_;   // likewise: how many leaves
  std::uint64_t leaves_reserved_ = 0;
  std::optional<InFlight> in_flight_;
  StepId last_step_{0};
  PlanGeneration generation_{0};
  BatcherCounts counts_;
  bool draining_ = false;
};

}  // namespace longshore::batching
