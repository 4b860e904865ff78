#pragma once

#include "runtime/base/memory_kind.h"
#include "runtime/base/result.h"
#include "transport/memory_region.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace longshore::transport {

// One contiguous piece to pull: `bytes` from `offset` of the peer's region, to `target` (same size). An empty
// target asks for the source itself, by reference; only a transport that shares memory with the peer can give
// it.
struct TransferPiece {
  RegionId region;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::span<std::byte> target;
};

inline constexpr std::size_t kTransferPiecesMax = 4096;  // a leaf of 64 layers x 64 KV heads
inline constexpr std::uint64_t kTransferPieceBytesMax = std::uint64_t{1}
                                                        << 28;  // a message of the wire's limit

// What device work the transfer is ordered after. Host transfers leave it as it is.
struct TransferOptions {
  MemoryKind target_kind = MemoryKind::kHost;
  void* stream = nullptr;  // cudaStream_t where target_kind is kCuda
};

struct Capabilities;
// The part of `Transport::prepare` that is the same everywhere. Errors: kInvalidArgument.
Result<void> check_transfer(std::span<const TransferPiece> pieces,
                            const TransferOptions& options,
                            const Capabilities& capabilities);

enum class TransferState { kPrepared, kPosted, kDone, kFailed };

// One prepared, posted, polled pull of a list of pieces from one peer. Pieces arrive in any order; all of
// them have arrived at kDone. Nothing is verified: checksums are the caller's.
//
// The targets belong to the transfer from post() until it is kDone or kFailed or has been destroyed:
// destroying a posted transfer makes late data go nowhere, so its targets may be used again at once. Thread:
// the transport's owner thread; ends before its Transport.
class Transfer {
 public:
  virtual ~Transfer() = default;
  // Starts the movement. Requires: kPrepared. Errors: kUnavailable when the peer is lost or closed.
  virtual Result<void> post() = 0;
  // Changes only inside Transport::progress and wait (and post, where memory is shared).
  virtual TransferState state() const = 0;
  // Requires: kFailed. kUnavailable: the peer was lost or closed; kNotFound: it has no such region;
  // kInvalidArgument: a piece lies outside the region.
  virtual const Error& error() const = 0;
  // Where piece `index` lies. Requires: kDone. Its target, or the peer's own memory if the target was empty;
  // that stays valid as long as the owner keeps it, which the two parties agree on above this interface.
  virtual std::span<const std::byte> piece(std::size_t index) const = 0;
};

}  // namespace longshore::transport
