#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "scheduler/service/compute_link.h"
#include "transport/link_metrics.h"
#include "transport/transport.h"
#include "transport/wire/session_messages.h"

namespace longshore::service {

using MakeTransport = std::function<Result<std::unique_ptr<transport::Transport>>()>;

// A compute node in another process: a place (slot) of the step loop that a node may take and lose again. Each
// connection begins with a Hello, at which the node forgets every sequence; each kUnavailable ends the connection.
// Thread: submit and wait on one, the slot's step thread, which owns the transport; the rest is thread-safe.
class RemoteComputeLink final : public ComputeLink, private transport::Receiver {
 public:
  // The transport is made with the first connection. `hello_max`: for a node to answer a Hello. `metrics` and `clock`
  // outlive it.
  RemoteComputeLink(wire::Hello hello, MakeTransport make_transport, std::chrono::milliseconds hello_max,
                    Metrics& metrics, const Clock& clock);
  ~RemoteComputeLink() override = default;

  // The node of this slot from here on; at the address it had, only its room changes.
  void set_node(const std::string& address, std::uint64_t leaves);
  // It is gone: a step that waits for it ends with kUnavailable.
  void clear_node();

  Result<void> submit(StepBatch batch) override;
  Result<StepOutcome> wait(std::chrono::milliseconds timeout) override;
  std::uint64_t kv_leaf_capacity() const override { return leaves_.load(); }

 private:
  struct Node {
    std::string address;
    std::uint64_t life = 0;  // grows with each set_node of another node, and with clear_node
  };
  Node node() const;
  Result<void> connect(const Node& node);
  Result<void> await_hello(TimePoint deadline);
  Error disconnect(Error error);
  void on_message(transport::PeerId peer, transport::Message message) override;
  void on_peer_lost(transport::PeerId peer, const Error& error) override;

  wire::Hello hello_;
  const MakeTransport make_transport_;
  const std::chrono::milliseconds hello_max_;
  const Clock& clock_;
  std::atomic<std::uint64_t> leaves_{0};
  mutable std::mutex mutex_;                        // guards node_, and the transport against its making and wake
  Node node_;
  std::unique_ptr<transport::Transport> transport_;

  // Of the step thread.
  std::optional<transport::PeerId> peer_;
  std::uint64_t life_ = 0;                          // of the node that peer_ is
  std::optional<Error> lost_;
  std::optional<wire::HelloReply> greeted_;
  transport::LinkMetrics link_metrics_;
  std::string peer_name_;
  std::optional<StepId> in_flight_;
  std::optional<StepOutcome> outcome_;
};

}  // namespace longshore::service
