#pragma once

#include "runtime/base/ids.h"
#include "runtime/base/memory_kind.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace longshore::transport {

class Transport;

// The whole key to registered memory: a number that the owner's transport looks up when it is asked to read.
// Nobody else can turn it into access of another kind: peers read, inside the bounds, while the region is
// registered, and nothing they hold lets them write.
using RegionId = StrongId<struct RegionTag, std::uint64_t>;

// Every transport registers a few MiB of its own under this id, so that any peer can measure the path
// (path_probe.h).
inline constexpr RegionId kProbeRegion{1};
inline constexpr std::size_t kProbeRegionBytes = std::size_t{4} << 20;

// Memory that connected peers may pull from, from `register_memory` until this object ends. The memory must
// outlive it, and it must end before its Transport. If a peer is pulling from it as it ends, that peer's
// connection is closed. Thread: the transport's owner thread.
class MemoryRegion {
 public:
  MemoryRegion() = default;
  MemoryRegion(Transport* transport, RegionId id, std::span<const std::byte> bytes, MemoryKind kind)
      : transport_(transport), id_(id), bytes_(bytes), kind_(kind) {}
  ~MemoryRegion() { reset(); }
  MemoryRegion(MemoryRegion&& other) noexcept { *this = std::move(other); }
  MemoryRegion& operator=(MemoryRegion&& other) noexcept {
    std::swap(transport_, other.transport_);
    std::swap(id_, other.id_);
    std::swap(bytes_, other.bytes_);
    std::swap(kind_, other.kind_);
    return *this;
  }

  RegionId id() const { return id_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  MemoryKind kind() const { return kind_; }
  void reset();

 private:
  Transport* transport_ = nullptr;
  RegionId id_;
  std::span<const std::byte> bytes_;
  MemoryKind kind_ = MemoryKind::kHost;
};

}  // namespace longshore::transport
