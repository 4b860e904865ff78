#include "runtime/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace longshore {
namespace {

TEST(ThreadPoolTest, RefusesCountsThatAreNoThreads) {
  EXPECT_EQ(ThreadPool::create(0).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(ThreadPool::create(257).error().code, ErrorCode::kInvalidArgument);
}

TEST(ThreadPoolTest, CallsTheTaskOnceForEachWorker) {
  for (unsigned threads : {1u, 2u, 5u}) {
    const auto pool = ThreadPool::create(threads);
    ASSERT_TRUE(pool);
    std::vector<std::atomic<int>> calls(threads);
    for (int round = 0; round < 100; ++round) (*pool)->run([&](unsigned worker) { ++calls[worker]; });
    for (const auto& count : calls) EXPECT_EQ(count, 100);
  }
}

TEST(ThreadPoolTest, SharesWithThoseWhoComeInTime) {
  const auto pool = ThreadPool::create(4);
  for (int round = 0; round < 2000; ++round) {
    std::atomic<int> next{0}, inside{0};
    std::vector<std::atomic<int>> calls(4), done(50);
    (*pool)->share([&](unsigned worker) {
      ++inside;
      ++calls[worker];
      for (int i = next++; i < 50; i = next++) ++done[static_cast<std::size_t>(i)];
      --inside;
    });
    EXPECT_EQ(inside, 0) << "somebody is still at it";
    EXPECT_EQ(calls[0], 1);
    for (const auto& count : calls) EXPECT_LE(count, 1);
    for (const auto& count : done) EXPECT_EQ(count, 1);
  }
}

TEST(ThreadPoolTest, WaitsForNobodyWhoComesLate) {
  // More workers than cores, and nothing to do: most of them find the gate closed.
  const auto pool = ThreadPool::create(64);
  for (int round = 0; round < 500; ++round) {
    int of_caller = 0;
    (*pool)->share([&](unsigned worker) {
      if (worker == 0) ++of_caller;
    });
    EXPECT_EQ(of_caller, 1);
  }
}

TEST(ThreadPoolTest, EndsWhateverItsWorkersAreAt) {
  for (int round = 0; round < 200; ++round) {
    const auto pool = ThreadPool::create(8);
    for (int region = 0; region < round % 4; ++region) (*pool)->share([](unsigned) {});
  }
}

TEST(ThreadPoolTest, CoversARangeOnce) {
  const auto pool = ThreadPool::create(3);
  for (std::size_t count : {0u, 1u, 7u, 64u, 1001u}) {
    std::vector<std::atomic<int>> seen(count);
    (*pool)->for_each(count, 8, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i) ++seen[i];
    });
    for (const auto& times : seen) EXPECT_EQ(times, 1);
  }
}

TEST(ThreadPoolTest, ComputesASingleChunkOnTheCaller) {
  const auto pool = ThreadPool::create(3);
  const std::uint32_t before = set_float_environment();
  restore_float_environment(before | 0x8000);  // flush-to-zero, as a library may leave it
  int calls = 0;
  const std::thread::id caller = std::this_thread::get_id();
  (*pool)->for_each(8, 8, [&](std::size_t begin, std::size_t end, unsigned worker) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_TRUE(float_environment_is_exact());
    EXPECT_EQ(begin, 0u);
    EXPECT_EQ(end, 8u);
    EXPECT_EQ(worker, 0u);
    ++calls;
  });
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(float_environment_is_exact());
  restore_float_environment(before);
}

TEST(ThreadPoolTest, LetsCallersTakeTurns) {
  const auto pool = ThreadPool::create(2);
  std::atomic<int> inside{0}, overlaps{0};
  const auto caller = [&] {
    for (int round = 0; round < 200; ++round)
      (*pool)->run([&](unsigned worker) {
        if (worker != 0) return;
        if (inside.fetch_add(1) != 0) ++overlaps;
        inside.fetch_sub(1);
      });
  };
  std::thread other(caller);
  caller();
  other.join();
  EXPECT_EQ(overlaps, 0);
}

TEST(ThreadPoolTest, ComputesInTheContractsFloatEnvironment) {
  const auto pool = ThreadPool::create(2);
  std::atomic<int> exact{0};
  (*pool)->run([&](unsigned) { exact += float_environment_is_exact() ? 1 : 0; });
  EXPECT_EQ(exact, 2);
}

}  // namespace
}  // namespace longshore
