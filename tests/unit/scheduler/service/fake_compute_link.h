#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "scheduler/service/compute_link.h"

namespace longshore::service {

// A compute node that draws `100 + draw` for everyone. A test may hold its steps, take it away, or have it lose KV.
// Thread-safe.
class FakeComputeLink final : public ComputeLink {
 public:
  Result<void> submit(StepBatch batch) override {
    std::lock_guard lock(mutex_);
    if (is_gone_) return make_error(ErrorCode::kUnavailable, "the fake is gone");
    for (const SequenceStart& start : batch.starts) held_.insert(start.sequence);
    for (const SequenceId id : batch.releases) held_.erase(id);
    ++steps_;
    starts_ += batch.starts.size();
    batch_ = std::move(batch);
    changed_.notify_all();
    return {};
  }

  Result<StepOutcome> wait(std::chrono::milliseconds timeout) override {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, timeout, [&] { return is_gone_ || (batch_ && !is_held_ && steps_ <= steps_free_); }))
      return make_error(ErrorCode::kDeadlineExceeded, "the fake takes its time");
    if (is_gone_) return make_error(ErrorCode::kUnavailable, "the fake is gone");
    StepOutcome outcome;
    outcome.id = batch_->id;
    outcome.timing.total = 0.001;
    outcome.kv_leaves_used = held_.size();
    for (const StepEntry& entry : batch_->entries) {
      EntryOutcome result;
      result.sequence = entry.sequence;
      result.epoch = entry.epoch;
      if (losses_ > 0) {
        --losses_;
        result.error = Error{ErrorCode::kDataLoss, "lost"};
      } else if (entry.sample) {
        result.sampled = ScoredToken{static_cast<TokenId>(100 + entry.draw), -0.5f, {}};
      }
      outcome.entries.push_back(std::move(result));
    }
    batch_.reset();
    return outcome;
  }

  std::uint64_t kv_leaf_capacity() const override {
    std::lock_guard lock(mutex_);
    return capacity_;
  }

  void set_capacity(std::uint64_t leaves) { change([&] { capacity_ = leaves; }); }
  void hold_steps() { change([&] { is_held_ = true; }); }
  // Holds those that come after so many.
  void hold_steps_after(std::uint64_t steps) { change([&] { steps_free_ = steps; }); }
  void let_go() {
    change([&] {
      is_held_ = false;
      steps_free_ = UINT64_MAX;
    });
  }
  void lose_next_entries(int count) { change([&] { losses_ = count; }); }
  // It forgets everything, as a process that dies does.
  void go_away() {
    change([&] {
      is_gone_ = true;
      held_.clear();
      batch_.reset();
    });
  }
  void come_back() { change([&] { is_gone_ = false; }); }
  void wait_for_a_step() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return batch_.has_value(); });
  }
  std::size_t held() const {
    std::lock_guard lock(mutex_);
    return held_.size();
  }
  // Sequences that it was told of.
  std::uint64_t starts() const {
    std::lock_guard lock(mutex_);
    return starts_;
  }
  std::uint64_t steps() const {
    std::lock_guard lock(mutex_);
    return steps_;
  }

 private:
  template <typename Change>
  void change(const Change& apply) {
    std::lock_guard lock(mutex_);
    apply();
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<StepBatch> batch_;
  std::set<SequenceId> held_;
  std::uint64_t capacity_ = 64;
  std::uint64_t steps_ = 0;
  std::uint64_t starts_ = 0;
  std::uint64_t steps_free_ = UINT64_MAX;
  bool is_held_ = false, is_gone_ = false;
  int losses_ = 0;
};

}  // namespace longshore::service
