#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace longshore::async {

// A coroutine on an Asio executor. Operating errors are values: a task that can fail is a Task<Result<T>>, and library
// operations are awaited with `kAsTuple`, which returns the error code instead of throwing it.
//
// Cancellation: Asio throws from the await after a cancelled one, or, with throw_if_cancelled(false), lets it run its
// full time. So every root sets it to false (TaskGroup does), every await's result is checked, and a cancelled one
// returns at once.
template <typename T>
using Task = boost::asio::awaitable<T>;

inline constexpr auto kAsTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace longshore::async
