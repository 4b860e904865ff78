#include "transport/fault/fault_transport.h"

#include "runtime/base/check.h"
#include "runtime/base/random.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <set>
#include <utility>
#include <vector>

namespace longshore::transport {
namespace {

void flip_bit(std::span<std::byte> bytes, Random& random) {
  if (!bytes.empty()) bytes[random.below(bytes.size())] ^= static_cast<std::byte>(1u << random.below(8));
}

}  // namespace

struct FaultTransport::State {
  struct Delayed {
    TimePoint due;
    PeerId peer;
    Message message;
  };

  State(std::unique_ptr<Transport> wrapped, const Clock& time, const FaultPolicy& rules)
      : inner(std::move(wrapped)), clock(time), policy(rules), random(rules.seed) {}

  bool cut_off(PeerId peer) const { return partitioned.contains(peer); }

  std::unique_ptr<Transport> inner;
  const Clock& clock;
  FaultPolicy policy;
  Random random;
  std::list<Delayed> delayed;  // by time of sending
  std::set<PeerId> partitioned;
  std::vector<std::pair<PeerId, Error>> lost;  // to be reported
};

namespace {

// Looks done only where its peer can be reached, and then perhaps with a bit changed.
class FaultTransfer final : public Transfer {
 public:
  FaultTransfer(std::unique_ptr<Transfer> inner,
                std::vector<TransferPiece> pieces,
                const std::set<PeerId>& partitioned,
                PeerId peer,
                double corrupt,
                std::uint64_t seed)
      : inner_(std::move(inner)),
        pieces_(std::move(pieces)),
        partitioned_(partitioned),
        peer_(peer),
        corrupt_(corrupt),
        random_(seed) {}

  Result<void> post() override {
    posted_ = true;
    return inner_->post();
  }
  TransferState state() const override {
    if (posted_ && !settled_ && partitioned_.contains(peer_)) return TransferState::kPosted;
    const TransferState state = inner_->state();
    if (state == TransferState::kDone && !settled_) {
      settled_ = true;
      const TransferPiece& piece = pieces_[random_.below(pieces_.size())];
      // A reference is the owner's memory: that is not ours to break.
      if (random_.uniform() < corrupt_ && !piece.target.empty()) flip_bit(piece.target, random_);
    }
    return state;
  }
  const Error& error() const override { return inner_->error(); }
  std::span<const std::byte> piece(std::size_t index) const override { return inner_->piece(index); }

 private:
  std::unique_ptr<Transfer> inner_;
  std::vector<TransferPiece> pieces_;
  const std::set<PeerId>& partitioned_;
  PeerId peer_;
  double corrupt_;
  bool posted_ = false;
  mutable Random random_;
  mutable bool settled_ = false;
};

// Stands between the wrapped transport and the node: what comes over a cut is not heard.
class Filter final : public Receiver {
 public:
  Filter(Receiver& receiver, const std::set<PeerId>& partitioned)
      : receiver_(receiver), partitioned_(partitioned) {}
  void on_message(PeerId peer, Message message) override {
    if (partitioned_.contains(peer)) return;
    ++delivered;
    receiver_.on_message(peer, std::move(message));
  }
  void on_peer_lost(PeerId peer, const Error& error) override {
    ++delivered;
    receiver_.on_peer_lost(peer, error);
  }
  std::size_t delivered = 0;

 private:
  Receiver& receiver_;
  const std::set<PeerId>& partitioned_;
};

}  // namespace

FaultTransport::FaultTransport(std::unique_ptr<Transport> inner,
                               const Clock& clock,
                               const FaultPolicy& policy)
    : state_(std::make_unique<State>(std::move(inner), clock, policy)) {
  CHECK(policy.delay_min <= policy.delay_max)
      << "delays from " << policy.delay_min.count() << " to " << policy.delay_max.count();
}

FaultTransport::~FaultTransport() = default;

void FaultTransport::set_policy(const FaultPolicy& policy) { state_->policy = policy; }

void FaultTransport::partition(PeerId peer) { state_->partitioned.insert(peer); }

void FaultTransport::heal(PeerId peer) { state_->partitioned.erase(peer); }

void FaultTransport::lose_peer(PeerId peer, const Error& error) {
  state_->inner->close(peer);
  state_->lost.emplace_back(peer, error);
}

std::string FaultTransport::address() const { return state_->inner->address(); }

Capabilities FaultTransport::capabilities() const { return state_->inner->capabilities(); }

Result<PeerId> FaultTransport::connect(std::string_view address) { return state_->inner->connect(address); }

void FaultTransport::close(PeerId peer) {
  state_->delayed.remove_if([peer](const State::Delayed& delayed) { return delayed.peer == peer; });
  state_->inner->close(peer);
}

MessagePool& FaultTransport::messages() { return state_->inner->messages(); }

Result<void> FaultTransport::send(PeerId peer, Message message) {
  const FaultPolicy& policy = state_->policy;
  Random& random = state_->random;
  // All draws are made for every message: whether one is lost changes nothing for those after it.
  const bool lose = random.uniform() < policy.lose;
  const bool duplicate = random.uniform() < policy.duplicate;
  const bool corrupt = random.uniform() < policy.corrupt;
  const bool delay = random.uniform() < policy.delay;
  const double part = random.uniform();
  Random bits(random());
  if (lose || state_->cut_off(peer)) return {};
  if (corrupt) flip_bit(message.bytes(), bits);
  if (duplicate && message.size() > 0) {
    Message twin = messages().take(message.size());
    std::memcpy(twin.data(), message.data(), message.size());
    if (Result<void> sent = state_->inner->send(peer, std::move(twin)); !sent) return sent;
  }
  if (!delay) return state_->inner->send(peer, std::move(message));
  const auto range = static_cast<double>((policy.delay_max - policy.delay_min).count());
  const auto by = policy.delay_min + std::chrono::nanoseconds(static_cast<std::int64_t>(range * part));
  state_->delayed.push_back({state_->clock.now() + by, peer, std::move(message)});
  return {};
}

std::size_t FaultTransport::progress(Receiver& receiver) {
  const TimePoint now = state_->clock.now();
  for (auto delayed = state_->delayed.begin(); delayed != state_->delayed.end();) {
    if (delayed->due > now) {
      ++delayed;
      continue;
    }
    // A peer that is gone by now is reported by the wrapped transport.
    if (!state_->cut_off(delayed->peer))
      (void)state_->inner->send(delayed->peer, std::move(delayed->message));
    delayed = state_->delayed.erase(delayed);
  }
  for (const auto& [peer, error] : std::exchange(state_->lost, {})) receiver.on_peer_lost(peer, error);
  Filter filter(receiver, state_->partitioned);
  state_->inner->progress(filter);
  return filter.delivered;
}

void FaultTransport::wait(std::chrono::nanoseconds timeout) {
  const TimePoint now = state_->clock.now();
  for (const State::Delayed& delayed : state_->delayed)
    timeout =
        std::min<std::chrono::nanoseconds>(timeout, std::max<Duration>(delayed.due - now, Duration::zero()));
  if (!state_->lost.empty()) timeout = std::chrono::nanoseconds::zero();
  state_->inner->wait(timeout);
}

void FaultTransport::wake() { state_->inner->wake(); }

Result<MemoryRegion> FaultTransport::register_memory(std::span<const std::byte> bytes, MemoryKind kind) {
  return state_->inner->register_memory(bytes, kind);
}

Result<std::unique_ptr<Transfer>> FaultTransport::prepare(PeerId peer,
                                                          std::span<const TransferPiece> pieces,
                                                          const TransferOptions& options) {
  Result<std::unique_ptr<Transfer>> inner = state_->inner->prepare(peer, pieces, options);
  if (!inner) return inner;
  return std::unique_ptr<Transfer>(std::make_unique<FaultTransfer>(
      std::move(*inner), std::vector<TransferPiece>(pieces.begin(), pieces.end()), state_->partitioned, peer,
      state_->policy.corrupt, state_->random()));
}

Result<PathReport> FaultTransport::path(PeerId peer) const { return state_->inner->path(peer); }

LinkCounters FaultTransport::counters(PeerId peer) const { return state_->inner->counters(peer); }

// Regions are registered with the wrapped transport, which is who ends them.
void FaultTransport::unregister_memory(RegionId) {}

}  // namespace longshore::transport
