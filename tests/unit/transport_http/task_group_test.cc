#include "transport/async/task_group.h"

#include "transport/async/deadline.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <stdexcept>

namespace longshore::async {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

Task<void> wait_forever(int& ended) {
  asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  co_await never.async_wait(kAsTuple);
  ++ended;
}
Task<void> count(int& ended) {
  ++ended;
  co_return;
}
Task<void> fail() {
  throw std::runtime_error("a library threw");
  co_return;
}
Task<void> wait_for(TaskGroup& group, bool& waited) {
  co_await group.wait();
  waited = true;
}
Task<Result<int>> answer() { co_return 42; }
Task<Result<int>> answer_late(int& ended) {
  co_await wait_forever(ended);
  co_return 42;
}
// Ends well, just as its caller is cancelled.
Task<Result<int>> answer_and_cancel(TaskGroup& group) {
  group.cancel();
  co_return 42;
}
template <typename T>
Task<void> store(Task<T> task, T& into) {
  into = co_await std::move(task);
}

class TaskGroupTest : public testing::Test {
 protected:
  asio::io_context io;
  int ended = 0;
};

TEST_F(TaskGroupTest, WaitsForAllItsTasks) {
  TaskGroup group(io.get_executor(), "test", 8), waiter(io.get_executor(), "waiter", 1);
  bool waited = false;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(group.spawn(count(ended)));
  waiter.spawn(wait_for(group, waited));
  io.run();
  EXPECT_EQ(ended, 3);
  EXPECT_TRUE(waited);
}

TEST_F(TaskGroupTest, RefusesMoreThanItsBound) {
  TaskGroup group(io.get_executor(), "test", 2);
  EXPECT_TRUE(group.spawn(count(ended)));
  EXPECT_TRUE(group.spawn(count(ended)));
  EXPECT_FALSE(group.spawn(count(ended)));
  io.run();
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(group.running(), 0u);
}

TEST_F(TaskGroupTest, CancelEndsWhatWaits) {
  TaskGroup group(io.get_executor(), "test", 8);
  for (int i = 0; i < 3; ++i) group.spawn(wait_forever(ended));
  asio::post(io, [&] { group.cancel(); });
  io.run();
  EXPECT_EQ(ended, 3);
  EXPECT_FALSE(group.spawn(count(ended))) << "a cancelled group is closed";
}

TEST_F(TaskGroupTest, OutlivesAnExceptionInATask) {
  TaskGroup group(io.get_executor(), "test", 8);
  group.spawn(fail());
  group.spawn(count(ended));
  io.run();
  EXPECT_EQ(ended, 1);
}

TEST_F(TaskGroupTest, DeadlineGivesTheResultInTime) {
  TaskGroup group(io.get_executor(), "test", 1);
  Result<int> result = make_error(ErrorCode::kInternal, "not run");
  group.spawn(store(with_deadline(answer(), 10s, "asking"), result));
  io.run();
  EXPECT_EQ(*result, 42);
}

TEST_F(TaskGroupTest, DeadlineEndsTheTaskAndSaysWhat) {
  TaskGroup group(io.get_executor(), "test", 1);
  Result<int> result = 0;
  group.spawn(store(with_deadline(answer_late(ended), 20ms, "asking"), result));
  io.run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(result.error().message, "asking took longer than 20 ms");
  EXPECT_EQ(ended, 1) << "the task was not awaited";
}

TEST_F(TaskGroupTest, CancelReachesThroughADeadline) {
  TaskGroup group(io.get_executor(), "test", 1);
  Result<int> result = 0;
  group.spawn(store(with_deadline(answer_late(ended), 1h, "asking"), result));
  asio::post(io, [&] { group.cancel(); });
  io.run();
  EXPECT_EQ(ended, 1);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

TEST_F(TaskGroupTest, CancelIsNotLostWhereItMeetsTheEndOfATask) {
  TaskGroup group(io.get_executor(), "test", 1);
  Result<int> result = 0;
  group.spawn(store(with_deadline(answer_and_cancel(group), 1h, "asking"), result));
  io.run();
  ASSERT_FALSE(result) << "the caller would go on to its next step";
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace longshore::async
