#include "transport/inproc/inproc_transport.h"

#include "runtime/base/check.h"
#include "transport/wait_policy.h"

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace longshore::transport {
namespace {

constexpr std::string_view kPrefix = "inproc:";

struct Link;

struct Event {
  std::shared_ptr<Link> link;
  Message message;            // a message, or
  std::optional<Error> lost;  // the end of the connection
};

// What others may touch of a node: its mailbox and its regions.
struct Node {
  std::string name;

  std::mutex mutex;  // guards the next four
  std::condition_variable arrival;
  std::deque<Event> events;
  std::vector<std::shared_ptr<Link>> links;  // open ones, also those that have said nothing yet
  bool woken = false;
  bool ended = false;  // nothing is delivered any more: an event would keep its link, and the link this node
  std::atomic<bool> pending{false};  // events or woken: what a spinning waiter looks at

  std::shared_mutex regions_mutex;
  std::unordered_map<RegionId, std::span<const std::byte>> regions;

  void deliver(Event event) {
    {
      const std::lock_guard lock(mutex);
      if (ended) return;
      events.push_back(std::move(event));
      pending.store(true, std::memory_order_release);
    }
    arrival.notify_one();
  }
  void forget(const Link* link) {
    const std::lock_guard lock(mutex);
    std::erase_if(links, [link](const std::shared_ptr<Link>& other) { return other.get() == link; });
  }
};

// One connection. Side 0 connected, side 1 was connected to.
struct Link {
  std::shared_ptr<Node> nodes[2];
  std::atomic<bool> closed{false};
  bool dropped[2] = {
      false, false};  // closed or reported by that side: nothing late is a new peer's; its thread only
  std::atomic<std::uint64_t> bytes_served[2] = {0, 0};  // by that side, to the other
};

struct Peer {
  std::shared_ptr<Link> link;
  int side = 0;  // ours
  LinkCounters counters;
  Node& node() const { return *link->nodes[1 - side]; }
};

class PullTransfer final : public Transfer {
 public:
  PullTransfer(std::shared_ptr<Link> link,
               int side,
               std::vector<TransferPiece> pieces,
               LinkCounters& counters)
      : link_(std::move(link)), side_(side), pieces_(std::move(pieces)), counters_(counters) {}

  Result<void> post() override {
    CHECK(state_ == TransferState::kPrepared) << "a transfer is posted once";
    if (link_->closed)
      return make_error(ErrorCode::kUnavailable, "cannot pull: the peer has closed the connection");
    Node& owner = *link_->nodes[1 - side_];
    const std::shared_lock lock(owner.regions_mutex);  // a region cannot end under the copy
    for (const TransferPiece& piece : pieces_) {
      const auto region = owner.regions.find(piece.region);
      if (region == owner.regions.end())
        return fail(
            make_error(ErrorCode::kNotFound, "node ", owner.name, " has no region ", piece.region.value));
      const std::span<const std::byte> source = region->second;
      if (piece.bytes > source.size() || piece.offset > source.size() - piece.bytes)
        return fail(make_error(ErrorCode::kInvalidArgument, "pull of ", piece.bytes, " bytes at ",
                               piece.offset, " is outside region ", piece.region.value, " of ", source.size(),
                               " bytes"));
      const std::span<const std::byte> found = source.subspan(piece.offset, piece.bytes);
      if (piece.target.empty()) {
        arrived_.push_back(found);
      } else {
        std::memcpy(piece.target.data(), found.data(), found.size());
        arrived_.push_back(piece.target);
      }
      counters_.bytes_pulled += piece.bytes;
      link_->bytes_served[1 - side_] += piece.bytes;
    }
    ++counters_.transfers_done;
    state_ = TransferState::kDone;
    return {};
  }
  TransferState state() const override { return state_; }
  const Error& error() const override {
    CHECK(state_ == TransferState::kFailed);
    return error_;
  }
  std::span<const std::byte> piece(std::size_t index) const override {
    CHECK(state_ == TransferState::kDone && index < arrived_.size()) << index;
    return arrived_[index];
  }

 private:
  // What the owner refuses shows in the state, as it does where the answer has to travel.
  Result<void> fail(Error error) {
    error_ = std::move(error);
    state_ = TransferState::kFailed;
    ++counters_.transfers_failed;
    return {};
  }

  std::shared_ptr<Link> link_;
  int side_;
  std::vector<TransferPiece> pieces_;
  LinkCounters& counters_;
  std::vector<std::span<const std::byte>> arrived_;
  TransferState state_ = TransferState::kPrepared;
  Error error_;
};

}  // namespace

struct InprocNetwork::State {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Node>, std::less<>> nodes;
};

namespace {

class InprocTransport final : public Transport {
 public:
  InprocTransport(std::shared_ptr<InprocNetwork::State> network, std::shared_ptr<Node> node)
      : network_(std::move(network)), node_(std::move(node)), probe_(kProbeRegionBytes, std::byte{0x5a}) {
    const std::unique_lock lock(node_->regions_mutex);
    node_->regions[kProbeRegion] = probe_;
  }

  ~InprocTransport() override {
    {
      const std::lock_guard lock(network_->mutex);
      network_->nodes.erase(node_->name);
    }
    std::vector<std::shared_ptr<Link>> links;
    std::deque<Event> undelivered;
    {
      const std::lock_guard lock(node_->mutex);
      node_->ended = true;
      links.swap(node_->links);
      undelivered.swap(node_->events);
    }
    for (const std::shared_ptr<Link>& link : links) end(link, "has ended");
    const std::unique_lock lock(node_->regions_mutex);
    node_->regions.clear();
  }

  std::string address() const override { return std::string(kPrefix) + node_->name; }
  Capabilities capabilities() const override { return {.shares_memory = true, .name = "inproc"}; }

  Result<PeerId> connect(std::string_view address) override {
    if (!address.starts_with(kPrefix))
      return make_error(ErrorCode::kInvalidArgument, "\"", address,
                        "\" is no in-process address (inproc:NAME)");
    const std::string_view name = address.substr(kPrefix.size());
    if (name == node_->name)
      return make_error(ErrorCode::kInvalidArgument, "node ", name, " cannot connect to itself");
    const std::lock_guard lock(network_->mutex);  // the other side cannot end meanwhile
    const auto found = network_->nodes.find(name);
    if (found == network_->nodes.end())
      return make_error(ErrorCode::kUnavailable, "no node ", name, " in this process");
    const auto link = std::make_shared<Link>();
    link->nodes[0] = node_;
    link->nodes[1] = found->second;
    for (const std::shared_ptr<Node>& node : link->nodes) {
      const std::lock_guard node_lock(node->mutex);
      if (node->links.size() >= kPeersMax)
        return make_error(ErrorCode::kResourceExhausted, "node ", node->name, " has ", kPeersMax,
                          " connections");
    }
    for (const std::shared_ptr<Node>& node : link->nodes) {
      const std::lock_guard node_lock(node->mutex);
      node->links.push_back(link);
    }
    return add_peer(link, 0);
  }

  void close(PeerId peer) override {
    const auto found = open_.find(peer);
    if (found == open_.end()) return;
    const std::shared_ptr<Link> link = found->second;
    forget(link);
    end(link, "has closed the connection");
  }

  MessagePool& messages() override { return messages_; }

  Result<void> send(PeerId peer, Message message) override {
    if (message.size() == 0 || message.size() > kMessageBytesMax)
      return make_error(ErrorCode::kInvalidArgument, "message of ", message.size(),
                        " bytes; it may have 1 to ", kMessageBytesMax);
    const auto found = open_.find(peer);
    if (found == open_.end() || found->second->closed)
      return make_error(ErrorCode::kUnavailable, "peer ", peer.value, " is closed or lost");
    Peer& other = peers_.at(peer);
    ++other.counters.messages_sent;
    other.counters.bytes_sent += message.size();
    other.node().deliver({found->second, std::move(message), std::nullopt});
    return {};
  }

  std::size_t progress(Receiver& receiver) override {
    std::deque<Event> events;
    {
      const std::lock_guard lock(node_->mutex);
      events.swap(node_->events);
      node_->woken = false;
      node_->pending.store(false, std::memory_order_relaxed);
    }
    std::size_t delivered = 0;
    for (Event& event : events) {
      const std::optional<PeerId> peer = peer_of(event);
      if (!peer) continue;
      ++delivered;
      if (event.lost) {
        forget(event.link);
        receiver.on_peer_lost(*peer, *event.lost);
        continue;
      }
      Peer& other = peers_.at(*peer);
      ++other.counters.messages_received;
      other.counters.bytes_received += event.message.size();
      receiver.on_message(*peer, std::move(event.message));
    }
    return delivered;
  }

  void wait(std::chrono::nanoseconds timeout) override {
    const auto start = std::chrono::steady_clock::now();
    const auto spin_end = start + std::min<std::chrono::nanoseconds>(timeout, kSpinMax);
    while (!node_->pending.load(std::memory_order_acquire)) {
      if (std::chrono::steady_clock::now() >= spin_end) break;
    }
    std::unique_lock lock(node_->mutex);
    node_->arrival.wait_until(lock, start + timeout,
                              [this] { return node_->woken || !node_->events.empty(); });
    node_->woken = false;
    if (node_->events.empty()) node_->pending.store(false, std::memory_order_relaxed);
  }

  void wake() override {
    {
      const std::lock_guard lock(node_->mutex);
      node_->woken = true;
      node_->pending.store(true, std::memory_order_release);
    }
    node_->arrival.notify_one();
  }

  Result<MemoryRegion> register_memory(std::span<const std::byte> bytes, MemoryKind kind) override {
    if (bytes.empty() || kind == MemoryKind::kCuda)
      return make_error(ErrorCode::kInvalidArgument, "cannot register ", bytes.size(),
                        " bytes of memory kind ", static_cast<int>(kind), " with the in-process transport");
    const RegionId id{next_region_++};
    const std::unique_lock lock(node_->regions_mutex);
    node_->regions[id] = bytes;
    return MemoryRegion(this, id, bytes, kind);
  }

  Result<std::unique_ptr<Transfer>> prepare(PeerId peer,
                                            std::span<const TransferPiece> pieces,
                                            const TransferOptions& options) override {
    const auto found = open_.find(peer);
    if (found == open_.end())
      return make_error(ErrorCode::kUnavailable, "peer ", peer.value, " is closed or lost");
    if (Result<void> legal = check_transfer(pieces, options, capabilities()); !legal) return legal.error();
    Peer& other = peers_.at(peer);
    return std::unique_ptr<Transfer>(std::make_unique<PullTransfer>(
        other.link, other.side, std::vector<TransferPiece>(pieces.begin(), pieces.end()), other.counters));
  }

  Result<PathReport> path(PeerId peer) const override {
    if (!open_.contains(peer))
      return make_error(ErrorCode::kUnavailable, "peer ", peer.value, " is closed or lost");
    return PathReport{.transports = "inproc", .shared_memory = true};
  }

  LinkCounters counters(PeerId peer) const override {
    const auto found = peers_.find(peer);
    if (found == peers_.end()) return {};
    LinkCounters counters = found->second.counters;
    counters.bytes_served = found->second.link->bytes_served[found->second.side];
    return counters;
  }

 private:
  void unregister_memory(RegionId region) override {
    const std::unique_lock lock(node_->regions_mutex);
    node_->regions.erase(region);
  }

  PeerId add_peer(const std::shared_ptr<Link>& link, int side) {
    const PeerId id{++last_peer_};
    ids_[link.get()] = id;
    open_[id] = link;
    Peer& peer = peers_[id];
    peer.link = link;
    peer.side = side;
    return id;
  }

  // Nobody for what comes from a connection that we have closed.
  std::optional<PeerId> peer_of(const Event& event) {
    if (const auto known = ids_.find(event.link.get()); known != ids_.end()) return known->second;
    const bool incoming = event.link->nodes[1] == node_ && !event.lost && !event.link->dropped[1];
    if (!incoming) return std::nullopt;
    return add_peer(event.link, 1);
  }

  void forget(const std::shared_ptr<Link>& link) {
    const PeerId id = ids_.at(link.get());
    ids_.erase(link.get());
    open_.erase(id);
    link->dropped[link->nodes[0] == node_ ? 0 : 1] = true;
    node_->forget(link.get());
  }

  // Tells the other side, unless it has closed first.
  void end(const std::shared_ptr<Link>& link, std::string_view how) {
    if (link->closed.exchange(true)) return;
    Node& other = *link->nodes[link->nodes[0] == node_ ? 1 : 0];
    other.forget(link.get());
    other.deliver({link, Message(), make_error(ErrorCode::kUnavailable, "node ", node_->name, " ", how)});
  }

  std::shared_ptr<InprocNetwork::State> network_;
  std::shared_ptr<Node> node_;
  std::vector<std::byte> probe_;
  MessagePool messages_;
  std::unordered_map<const Link*, PeerId> ids_;             // open connections
  std::unordered_map<PeerId, std::shared_ptr<Link>> open_;  // the same, by id
  std::unordered_map<PeerId, Peer> peers_;                  // all that ever were; references stay valid
  std::uint32_t last_peer_ = 0;
  std::uint64_t next_region_ = kProbeRegion.value + 1;
};

}  // namespace

InprocNetwork::InprocNetwork() : state_(std::make_shared<State>()) {}

Result<std::unique_ptr<Transport>> InprocNetwork::create(std::string name) {
  auto node = std::make_shared<Node>();
  node->name = name;
  const std::lock_guard lock(state_->mutex);
  if (name.empty() || !state_->nodes.emplace(name, node).second)
    return make_error(ErrorCode::kInvalidArgument, "node name \"", name,
                      "\" is empty or taken in this process");
  return std::unique_ptr<Transport>(std::make_unique<InprocTransport>(state_, std::move(node)));
}

}  // namespace longshore::transport
