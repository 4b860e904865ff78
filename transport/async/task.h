#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace longshore::async {

// A coroutine on an Asio executor. Operating errors are values: a task that can fail is a Task<Result<T>>,
// and library operations are awaited with `kAsTuple`, which returns the error code instead of throwing it.
//
// Cancellation: Asio throws from the await after a cancelled one, or, with throw_if_cancelled(false), lets it
// run its full time. So every root sets it to false (TaskGroup does), every await's result is checked, and a
// cancelled one returns at once.
//
// A co_await is a statement or an initializer of its own, never a part of a condition: g++ 12 compiles
// `if (co_await f()) co_return;` in a loop into a resumption that never comes back.
template <typename T>
using Task = boost::asio::awaitable<T>;

inline constexpr auto kAsTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

// Whether somebody asked the calling task to end.
inline Task<bool> is_cancelled() {
  const auto state = co_await boost::asio::this_coro::cancellation_state;
  co_return state.cancelled() != boost::asio::cancellation_type::none;
}

// The task, as a root of its own: each operand of `&&` and `||` is one.
template <typename T>
Task<T> as_root(Task<T> task) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  co_return co_await std::move(task);
}

}  // namespace longshore::async
