#pragma once

#include "runtime/base/clock.h"
#include "runtime/base/result.h"
#include "transport/async/task.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>

namespace longshore::async {

// The task's result if it ends within `limit`. Else the task is cancelled, awaited, and the error is
// kDeadlineExceeded naming `what` and the limit; kCancelled if the caller was cancelled by then, even where
// the task ended well: a cancellation comes once, and one that meets the end of a task would be lost to the
// steps after it. What the task had done by then stays.
template <typename T>
Task<Result<T>> with_deadline(Task<Result<T>> task, Duration limit, std::string_view what) {
  using namespace boost::asio::experimental::awaitable_operators;
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, limit);
  auto first = co_await (as_root(std::move(task)) || timer.async_wait(kAsTuple));
  const bool cancelled = co_await is_cancelled();
  if (cancelled) co_return make_error(ErrorCode::kCancelled, what, " was cancelled");
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  const auto limit_ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  co_return make_error(ErrorCode::kDeadlineExceeded, what, " took longer than ", limit_ms, " ms");
}

}  // namespace longshore::async
