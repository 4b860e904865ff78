#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/base/result.h"

namespace longshore {

// The compute threads of one process. All roles that share a process share one pool, so nothing oversubscribes the
// cores: a caller takes part as worker 0, and concurrent callers take turns.
//
// Every worker has flush-to-zero and denormals-are-zero off and rounds to nearest (docs/determinism.md); a region sets
// the same on the caller for its duration and restores what it had.
// Thread: `share`, `run` and `for_each` are thread-safe; a task must not call them on the same pool.
class ThreadPool {
 public:
  // `threads` in [1, 256] counts the caller; 1 starts none. Workers are pinned to the process's allowed CPUs in order
  // if there are at least `threads` of them.
  static Result<std::unique_ptr<ThreadPool>> create(unsigned threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned threads() const { return static_cast<unsigned>(workers_.size()) + 1; }

  // Calls task(0) on the caller and task(worker), concurrently, on each worker that is awake before the caller's own call
  // returns; returns when all that began have ended. For work that is taken piece by piece until nothing is left: nobody
  // waits for a worker that wakes late, as one does whose core the machine has lent to others. Results must not depend on
  // who does what.
  void share(const std::function<void(unsigned worker)>& task);

  // Calls task(worker) once for each worker in [0, threads()), concurrently, and returns when all have ended.
  void run(const std::function<void(unsigned worker)>& task);

  // Calls body(begin, end, worker) over [0, count) in chunks of `grain` that idle workers take as they come; a single
  // chunk on the caller, as worker 0, without waiting for a turn.
  void for_each(std::size_t count, std::size_t grain,
                const std::function<void(std::size_t begin, std::size_t end, unsigned worker)>& body);

 private:
  explicit ThreadPool(unsigned threads);
  void work(unsigned worker);
  void leave_worker_cpus() const;
  bool enter(std::uint64_t& seen);
  void leave();

  std::mutex turn_;  // one parallel region at a time
  // How many workers are inside, whether the region is open to more (kOpen), and its number (kRegion and up).
  std::atomic<std::uint64_t> gate_{0};
  std::atomic<std::uint32_t> emptied_{0};  // grows when the last one leaves a closed region
  std::atomic<bool> stopping_{false};
  const std::function<void(unsigned)>* task_ = nullptr;  // written by the turn's owner before the region opens
  std::vector<std::thread> workers_;
  std::vector<int> worker_cpus_;  // of the workers that are pinned
};

// Sets round-to-nearest, flush-to-zero off, denormals-are-zero off for the calling thread; returns the earlier state.
std::uint32_t set_float_environment();
void restore_float_environment(std::uint32_t state);
// Whether the calling thread computes under the contract's float environment.
bool float_environment_is_exact();

}  // namespace longshore
