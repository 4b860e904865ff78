#include "runtime/base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "runtime/base/check.h"

namespace longshore {
namespace {

// A waiter spins this long, then parks: a decode step has tens of regions of 25 us and more, and a machine of two
// cores must not lose one of them to an idle spinner.
constexpr std::chrono::microseconds kSpin{20};

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// Waits until `value` differs from `old`.
template <typename T>
void wait_for_change(const std::atomic<T>& value, T old) {
  const auto spin_until = std::chrono::steady_clock::now() + kSpin;
  while (value.load(std::memory_order_acquire) == old) {
    for (int i = 0; i < 32; ++i) relax();
    if (std::chrono::steady_clock::now() >= spin_until) {
      value.wait(old, std::memory_order_acquire);
      return;
    }
  }
}

// The CPU that it was pinned to; -1 if it was not, which is slower, never wrong.
int pin(pthread_t thread, const cpu_set_t& allowed, unsigned nth) {
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || nth-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return pthread_setaffinity_np(thread, sizeof one, &one) == 0 ? cpu : -1;
  }
  return -1;
}

}  // namespace

std::uint32_t set_float_environment() {
#if defined(__x86_64__)
  const std::uint32_t before = _mm_getcsr();
  constexpr std::uint32_t kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040, kRounding = 0x6000;
  _mm_setcsr(before & ~(kFlushToZero | kDenormalsAreZero | kRounding));
  return before;
#else
  return 0;
#endif
}

void restore_float_environment(std::uint32_t state) {
#if defined(__x86_64__)
  _mm_setcsr(state);
#else
  (void)state;
#endif
}

bool float_environment_is_exact() {
#if defined(__x86_64__)
  return (_mm_getcsr() & 0xe040) == 0;
#else
  return true;
#endif
}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(unsigned threads) {
  if (threads < 1 || threads > 256)
    return make_error(ErrorCode::kInvalidArgument, "--threads ", threads, " is outside [1, 256]");
  return std::unique_ptr<ThreadPool>(new ThreadPool(threads));
}

ThreadPool::ThreadPool(unsigned threads) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const bool pinned = sched_getaffinity(0, sizeof allowed, &allowed) == 0 &&
                      CPU_COUNT(&allowed) >= static_cast<int>(threads) && threads > 1;
  for (unsigned worker = 1; worker < threads; ++worker) {
    workers_.emplace_back([this, worker] { work(worker); });
    if (!pinned) continue;
    if (const int cpu = pin(workers_.back().native_handle(), allowed, worker); cpu >= 0) worker_cpus_.push_back(cpu);
  }
}

// The system likes to wake a thread on the CPU of whoever woke it, which may be a worker's: the two then take turns, and a
// region takes as long as a parked thread takes to wake (a step of 10 ms was seen to take 50). Costs a look at the CPU's
// number where nothing is wrong.
void ThreadPool::leave_worker_cpus() const {
  if (std::find(worker_cpus_.begin(), worker_cpus_.end(), sched_getcpu()) == worker_cpus_.end()) return;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  for (const int cpu : worker_cpus_) CPU_CLR(cpu, &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  sched_setaffinity(0, sizeof allowed, &allowed);  // it may go back, but does not have to
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  region_.fetch_add(1, std::memory_order_release);
  region_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::work(unsigned worker) {
  set_float_environment();
  std::uint64_t seen = 0;
  for (;;) {
    wait_for_change(region_, seen);
    seen = region_.load(std::memory_order_acquire);
    if (stopping_.load()) return;
    DCHECK(float_environment_is_exact());
    (*task_)(worker);
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
  }
}

void ThreadPool::run(const std::function<void(unsigned)>& task) {
  std::lock_guard turn(turn_);
  leave_worker_cpus();
  const std::uint32_t environment = set_float_environment();
  task_ = &task;
  unfinished_.store(static_cast<unsigned>(workers_.size()), std::memory_order_relaxed);
  if (!workers_.empty()) {
    region_.fetch_add(1, std::memory_order_release);
    region_.notify_all();
  }
  task(0);
  for (unsigned left = unfinished_.load(std::memory_order_acquire); left != 0;
       left = unfinished_.load(std::memory_order_acquire))
    wait_for_change(unfinished_, left);
  task_ = nullptr;
  restore_float_environment(environment);
}

void ThreadPool::for_each(std::size_t count, std::size_t grain,
                          const std::function<void(std::size_t, std::size_t, unsigned)>& body) {
  CHECK(grain > 0) << "grain must be positive";
  if (count == 0) return;
  if (count <= grain || threads() == 1) {  // waking the others would take longer
    const std::uint32_t environment = set_float_environment();
    body(0, count, 0);
    restore_float_environment(environment);
    return;
  }
  std::atomic<std::size_t> next{0};
  run([&](unsigned worker) {
    for (;;) {
      const std::size_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count) return;
      body(begin, std::min(count, begin + grain), worker);
    }
  });
}

}  // namespace longshore
