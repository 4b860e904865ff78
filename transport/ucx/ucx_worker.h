#pragma once

#include "runtime/base/result.h"
#include "transport/ucx/ucx_fragments.h"
#include "transport/ucx/ucx_transport.h"

#include <ucp/api/ucp.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

namespace longshore::transport {

// UCX's segment, on every transport where it can be set: one fragment and all headers.
inline constexpr std::size_t kUcxSegmentBytes = kFragmentBytes + 256;

// UCX started with our options: one context, one worker, and the descriptors that a waiter parks on.
// Thread: one at a time; only wake() from any.
class UcxWorker {
 public:
  // Errors: kFailedPrecondition (tls or net_devices name nothing that exists), kInternal.
  static Result<std::unique_ptr<UcxWorker>> create(const UcxOptions& options);
  ~UcxWorker();
  UcxWorker(const UcxWorker&) = delete;
  UcxWorker& operator=(const UcxWorker&) = delete;

  ucp_worker_h get() const { return worker_; }
  const std::vector<std::byte>& address() const { return address_; }
  unsigned progress() { return ucp_worker_progress(worker_); }
  // Parks until UCX has an event, wake() was called, or the time is over. False, at once: UCX still has to
  // progress.
  bool park(std::chrono::nanoseconds timeout);
  // The same without asking UCX: only wake() and time end it.
  void doze(std::chrono::nanoseconds timeout);
  // Ends the park or doze of now, or the next one.
  void wake();
  void clear_wake();

 private:
  UcxWorker() = default;

  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  int event_descriptor_ = -1;  // of UCX
  int wake_descriptor_ = -1;   // an eventfd of ours
  std::vector<std::byte> address_;
};

}  // namespace longshore::transport
