#pragma once

#include "transport/async/task.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <list>
#include <string>

namespace longshore::async {

// The tasks that an owner started and must see end: a bounded number, cancelled together, waited for
// together. The only place that spawns. An exception that reaches a task's root is logged under the group's
// name; the group goes on.
//
// Requires: wait() has returned after the last spawn before the destructor runs (CHECKed).
// Thread: one, the executor's.
class TaskGroup {
 public:
  TaskGroup(boost::asio::any_io_executor executor, std::string name, std::size_t tasks_max);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // False (and the task never runs) where the group is full or closed.
  bool spawn(Task<void> task);
  // Refuses further tasks.
  void close() { closed_ = true; }
  // Closes, and asks every task to end: its pending operation returns operation_aborted.
  void cancel();
  // Returns when no task runs. One waiter at a time.
  Task<void> wait();
  std::size_t running() const { return tasks_.size(); }

 private:
  using Tasks = std::list<boost::asio::cancellation_signal>;
  void ended(Tasks::iterator task, std::exception_ptr failure);

  boost::asio::any_io_executor executor_;
  std::string name_;
  std::size_t tasks_max_;
  bool closed_ = false;
  Tasks tasks_;
  boost::asio::steady_timer empty_;  // cancelled when the last task ends
};

}  // namespace longshore::async
