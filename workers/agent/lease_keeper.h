#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "workers/agent/control_client.h"

namespace longshore::agent {

// A node's life in a cluster: join, keep the lease with heartbeats, leave.
//
//   join() --accepted--> keep() --kAborted, or no heartbeat answered for a lease--> drop all, join() again
//                          '--stop()--> leaves
//
// Thread: join, model and keep on one; stop and beat_now from any.
class LeaseKeeper {
 public:
  explicit LeaseKeeper(ControlClient& client) : client_(client) {}

  // Both try until the scheduler answers. Errors: kCancelled (stopped), and answers for good: kFailedPrecondition,
  // kInvalidArgument.
  Result<ServedModel> model();
  Result<Lease> join(const Registration& registration);

  struct Handlers {
    std::function<NodeState()> state;
    std::function<void(const Orders&)> on_orders;
  };
  // Beats every fifth of the lease. Returns kAborted when the lease is over, kCancelled when stopped (it has left then).
  Error keep(const Lease& lease, const Handlers& handlers);

  // Something changed that the scheduler should hear of: the next heartbeat goes out now.
  void beat_now();
  void stop();
  bool is_stopped() const { return stopped_; }

 private:
  template <typename T, typename Ask>
  Result<T> ask_until_answered(const char* what, Ask ask);
  void pause(std::chrono::milliseconds length);

  ControlClient& client_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool beat_ = false;  // guarded by mutex_
};

}  // namespace longshore::agent
