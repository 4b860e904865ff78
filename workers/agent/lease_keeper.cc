#include "workers/agent/lease_keeper.h"

#include "runtime/base/log.h"

namespace longshore::agent {

template <typename T, typename Ask>
Result<T> LeaseKeeper::ask_until_answered(const char* what, Ask ask) {
  constexpr std::chrono::milliseconds kRetry{500};
  bool told = false;
  while (!stopped_) {
    Result<T> answer = ask();
    if (answer) return answer;
    const ErrorCode code = answer.error().code;
    if (code == ErrorCode::kFailedPrecondition || code == ErrorCode::kInvalidArgument) return answer;
    if (!std::exchange(told, true) && !stopped_)
      log::info("{} at the scheduler {}: {}; trying again", what, client_.target(), answer.error().message);
    pause(kRetry);
  }
  return make_error(ErrorCode::kCancelled, "the node stops");
}

Result<ServedModel> LeaseKeeper::model() {
  return ask_until_answered<ServedModel>("asking for the model", [this] { return client_.model(); });
}

Result<Lease> LeaseKeeper::join(const Registration& registration) {
  return ask_until_answered<Lease>("registering", [&] { return client_.join(registration); });
}

Error LeaseKeeper::keep(const Lease& lease, const Handlers& handlers) {
  using SteadyClock = std::chrono::steady_clock;
  auto heard = SteadyClock::now();
  while (!stopped_) {
    const Result<Orders> orders = client_.heartbeat(lease, handlers.state());
    if (orders) {
      heard = SteadyClock::now();
      handlers.on_orders(*orders);
    } else if (orders.error().code == ErrorCode::kAborted) {
      return orders.error();
    } else if (!stopped_ && SteadyClock::now() - heard >= lease.length) {
      return make_error(ErrorCode::kAborted, "no heartbeat was answered within the lease of ", lease.length.count(),
                        " ms: ", orders.error().message);
    }
    pause(lease.length / 5);
  }
  if (const Result<void> left = client_.leave(lease); !left) log::info("leaving: {}", left.error().message);
  return make_error(ErrorCode::kCancelled, "the node stops");
}

void LeaseKeeper::pause(std::chrono::milliseconds length) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, length, [this] { return beat_ || stopped_; });
  beat_ = false;
}

void LeaseKeeper::beat_now() {
  std::lock_guard lock(mutex_);
  beat_ = true;
  wake_.notify_all();
}

void LeaseKeeper::stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  wake_.notify_all();
}

}  // namespace longshore::agent
