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

// A waiter spins, then offers its core to whoever is ready to run, then parks: a decode step has hundreds of regions some
// 20 us apart, waking a parked thread takes as long as a short region, and nobody else's work may wait for a spinner.
constexpr std::chrono::microseconds kSpin{20}, kYield{100};

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// Waits until is_there(); parked on `changing`, which changes whenever it may have become true.
template <typename T, typename Condition>
void wait_until(const std::atomic<T>& changing, const Condition& is_there) {
  const auto begin = std::chrono::steady_clock::now();
  while (!is_there()) {
    for (int i = 0; i < 32; ++i) relax();
    const auto waited = std::chrono::steady_clock::now() - begin;
    if (waited < kSpin) continue;
    if (waited < kYield) {
      std::this_thread::yield();
      continue;
    }
    const T before = changing.load(std::memory_order_acquire);
    if (!is_there()) changing.wait(before, std::memory_order_acquire);
  }
}

// The gate: bits 0 to 30 count those inside, bit 31 says that it is open, the rest numbers the regions.
constexpr std::uint64_t kOpen = std::uint64_t{1} << 31;
constexpr std::uint64_t kRegion = std::uint64_t{1} << 32;
std::uint64_t inside(std::uint64_t gate) { return gate & (kOpen - 1); }
std::uint64_t region(std::uint64_t gate) { return gate / kRegion; }

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
  gate_.fetch_add(kRegion, std::memory_order_release);
  gate_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::work(unsigned worker) {
  set_float_environment();
  for (std::uint64_t seen = 0;;) {
    wait_until(gate_, [&] { return region(gate_.load(std::memory_order_acquire)) != seen; });
    const bool is_open = enter(seen);
    if (is_open) {
      DCHECK(float_environment_is_exact());
      (*task_)(worker);
    }
    leave();
    if (!is_open && stopping_.load()) return;  // the last region never opens
  }
}

// Whoever finds the gate closed has entered for a moment, too, and must leave. `seen`: the region that it came to.
bool ThreadPool::enter(std::uint64_t& seen) {
  const std::uint64_t gate = gate_.fetch_add(1, std::memory_order_acquire);
  seen = region(gate);
  return (gate & kOpen) != 0;
}

void ThreadPool::leave() {
  const std::uint64_t left = gate_.fetch_sub(1, std::memory_order_release) - 1;
  if (inside(left) != 0 || (left & kOpen) != 0) return;
  emptied_.fetch_add(1, std::memory_order_release);
  emptied_.notify_one();
}

void ThreadPool::share(const std::function<void(unsigned)>& task) {
  std::lock_guard turn(turn_);
  leave_worker_cpus();
  const std::uint32_t environment = set_float_environment();
  task_ = &task;
  if (!workers_.empty()) {
    gate_.fetch_add(kRegion + kOpen, std::memory_order_release);
    gate_.notify_all();
  }
  task(0);
  if (!workers_.empty()) {
    gate_.fetch_sub(kOpen, std::memory_order_relaxed);
    wait_until(emptied_, [this] { return inside(gate_.load(std::memory_order_acquire)) == 0; });
  }
  task_ = nullptr;
  restore_float_environment(environment);
}

void ThreadPool::run(const std::function<void(unsigned)>& task) {
  std::atomic<unsigned> begun{0};
  share([&](unsigned worker) {
    begun.fetch_add(1);
    task(worker);
    if (worker == 0)  // which keeps the region open
      while (begun.load() < threads()) std::this_thread::yield();
  });
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
  share([&](unsigned worker) {
    for (;;) {
      const std::size_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count) return;
      body(begin, std::min(count, begin + grain), worker);
    }
  });
}

}  // namespace longshore
