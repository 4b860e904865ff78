#include "transport/async/task_group.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <utility>

namespace longshore::async {
namespace asio = boost::asio;

TaskGroup::TaskGroup(asio::any_io_executor executor, std::string name, std::size_t tasks_max)
    : executor_(executor), name_(std::move(name)), tasks_max_(tasks_max), empty_(executor) {}

TaskGroup::~TaskGroup() { CHECK(tasks_.empty()) << name_ << ": " << tasks_.size() << " tasks still run"; }

bool TaskGroup::spawn(Task<void> task) {
  if (closed_ || tasks_.size() >= tasks_max_) return false;
  const auto entry = tasks_.emplace(tasks_.end());
  // The completion handler runs once, on the executor, after the coroutine's frame is gone.
  asio::co_spawn(executor_, as_root(std::move(task)),
                 asio::bind_cancellation_slot(
                     entry->slot(), [this, entry](std::exception_ptr failure) { ended(entry, failure); }));
  return true;
}

void TaskGroup::cancel() {
  closed_ = true;
  // A signal may end its task, which erases the entry, before emit returns.
  for (auto task = tasks_.begin(); task != tasks_.end();) (task++)->emit(asio::cancellation_type::terminal);
}

Task<void> TaskGroup::wait() {
  while (!tasks_.empty()) {
    empty_.expires_at(asio::steady_timer::time_point::max());
    co_await empty_.async_wait(kAsTuple);
    const bool cancelled = co_await is_cancelled();
    if (cancelled) co_return;
  }
}

void TaskGroup::ended(Tasks::iterator task, std::exception_ptr failure) {
  tasks_.erase(task);
  if (failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const boost::system::system_error& e) {
      // What a task says that was cancelled before it began.
      if (e.code() != asio::error::operation_aborted)
        log::error("task failed group={} error=\"{}\"", name_, e.what());
    } catch (const std::exception& e) {
      log::error("task failed group={} error=\"{}\"", name_, e.what());
    } catch (...) {
      log::error("task failed group={} error=\"not a std::exception\"", name_);
    }
  }
  if (tasks_.empty()) empty_.cancel();
}

}  // namespace longshore::async
