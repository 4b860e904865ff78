#pragma once

#include "runtime/base/memory_kind.h"
#include "runtime/base/result.h"
#include "transport/endpoint.h"
#include "transport/memory_region.h"
#include "transport/message.h"
#include "transport/transfer.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace longshore::transport {

// Largest message. A query of 128 tokens x 128 heads x 256 floats is 16 MiB, its partials the same and a
// little.
inline constexpr std::size_t kMessageBytesMax = std::size_t{256} << 20;
// Connections of one Transport; the next one is refused.
inline constexpr std::size_t kPeersMax = 1024;

// What a transport can do; constant for its life.
struct Capabilities {
  bool shares_memory = false;  // a pull can be a reference: nothing is copied
  bool device_memory = false;  // regions and targets may be MemoryKind::kCuda
  std::string_view name;       // "inproc", "ucx": a metric label
};

// What `progress` delivers. Called on the owner thread, in the order of arrival; may call anything of the
// transport but progress and wait.
class Receiver {
 public:
  virtual ~Receiver() = default;
  // One message, whole and as sent. The first one of an unknown peer is how an incoming connection shows
  // itself.
  virtual void on_message(PeerId peer, Message message) = 0;
  // The peer closed, died or cannot be reached: its messages and transfers end here; the id is void. Told
  // once for every connection that has delivered or been asked for, and not for those that we closed.
  virtual void on_peer_lost(PeerId peer, const Error& error) = 0;
};

// Moves messages and registered memory between nodes. One object per node. Messages of one connection arrive
// whole, once, in the order in which they were sent, or the peer is reported lost; bytes are never changed or
// checked. A connection has two ends: what one end's `connect` made, the other end sees as an incoming peer.
//
// Thread: one owner thread (it may change while nobody is inside); only `wake` may be called from others.
class Transport {
 public:
  virtual ~Transport() = default;

  // Printable text that a peer needs to connect; travels in NodeDescriptor::address.
  virtual std::string address() const = 0;
  virtual Capabilities capabilities() const = 0;

  // Begins a connection; messages may be sent at once. Errors: kInvalidArgument (not an address of this kind,
  // or our own), kUnavailable (refused or unreachable, where that is known at once; else on_peer_lost tells),
  // kResourceExhausted (kPeersMax).
  virtual Result<PeerId> connect(std::string_view address) = 0;
  // Ends the connection: transfers fail, the peer is told if it can be reached. What was sent before still
  // goes out if that takes no more than a few milliseconds. Unknown and lost ids are ignored.
  virtual void close(PeerId peer) = 0;

  // A message to fill and send.
  virtual MessagePool& messages() = 0;
  // Takes the message; returns at once. Errors: kUnavailable (peer lost or closed), kInvalidArgument (empty,
  // or over kMessageBytesMax). Success says nothing of arrival: answers and on_peer_lost do.
  virtual Result<void> send(PeerId peer, Message message) = 0;

  // Moves what can be moved and delivers what has arrived; returns the number of deliveries and finished
  // transfers.
  virtual std::size_t progress(Receiver& receiver) = 0;
  // Returns when there is something for `progress`, a transfer has ended, `wake` was called, or after
  // `timeout`. Looks on for a while before it parks (UCX: wait_policy.h). A wake that came before the wait
  // ends it at once.
  virtual void wait(std::chrono::nanoseconds timeout) = 0;
  // Thread-safe.
  virtual void wake() = 0;

  // Lets connected peers pull from `bytes`. Errors: kInvalidArgument (empty, or a kind that capabilities()
  // rules out), kResourceExhausted (the system refuses to pin it).
  virtual Result<MemoryRegion> register_memory(std::span<const std::byte> bytes, MemoryKind kind) = 0;

  // A pull of `pieces` from `peer`. Errors: kUnavailable (peer lost), kInvalidArgument (no pieces, or over a
  // limit of transfer.h; target and bytes differ; empty target where memory is not shared).
  virtual Result<std::unique_ptr<Transfer>> prepare(PeerId peer,
                                                    std::span<const TransferPiece> pieces,
                                                    const TransferOptions& options = {}) = 0;

  // What the path to the peer is; unmeasured (see measure_path). Errors: kUnavailable (peer lost).
  virtual Result<PathReport> path(PeerId peer) const = 0;
  // Zeros for an unknown peer; kept after a loss.
  virtual LinkCounters counters(PeerId peer) const = 0;

 private:
  friend class MemoryRegion;
  virtual void unregister_memory(RegionId region) = 0;
};

}  // namespace longshore::transport
