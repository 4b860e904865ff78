#pragma once

#include "runtime/base/clock.h"
#include "transport/transport.h"

#include <chrono>
#include <cstdint>
#include <memory>

namespace longshore::transport {

// What goes wrong with messages that this node sends. Probabilities in [0, 1], each drawn per message from
// the seed.
struct FaultPolicy {
  std::uint64_t seed = 0;
  double lose = 0;
  double duplicate = 0;
  double corrupt = 0;  // flips one bit of the message, or of one piece of a transfer that has ended
  double delay = 0;    // holds the message back, so that later ones overtake it
  std::chrono::nanoseconds delay_min{0}, delay_max{0};
};

// Wraps any transport and breaks its promises, repeatably: the same seed and calls give the same faults. Time
// is given, so a test moves it and nothing waits for real. Thread: as the wrapped transport.
class FaultTransport final : public Transport {
 public:
  FaultTransport(std::unique_ptr<Transport> inner, const Clock& clock, const FaultPolicy& policy);
  ~FaultTransport() override;

  void set_policy(const FaultPolicy& policy);
  // From now on nothing reaches the peer and nothing from it is delivered, without either being told; `heal`
  // ends it (what was dropped stays dropped). Transfers neither finish nor fail meanwhile.
  void partition(PeerId peer);
  void heal(PeerId peer);
  // The peer is reported lost although it lives: what a lease does to a node that is only slow.
  void lose_peer(PeerId peer, const Error& error);

  std::string address() const override;
  Capabilities capabilities() const override;
  Result<PeerId> connect(std::string_view address) override;
  void close(PeerId peer) override;
  MessagePool& messages() override;
  Result<void> send(PeerId peer, Message message) override;
  std::size_t progress(Receiver& receiver) override;
  void wait(std::chrono::nanoseconds timeout) override;
  void wake() override;
  Result<MemoryRegion> register_memory(std::span<const std::byte> bytes, MemoryKind kind) override;
  Result<std::unique_ptr<Transfer>> prepare(PeerId peer,
                                            std::span<const TransferPiece> pieces,
                                            const TransferOptions& options) override;
  Result<PathReport> path(PeerId peer) const override;
  LinkCounters counters(PeerId peer) const override;

 private:
  void unregister_memory(RegionId region) override;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace longshore::transport
