#include "transport/ucx/ucx_transport.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "transport/ucx/ucx_node.h"
#include "transport/ucx/ucx_path.h"
#include "transport/ucx/ucx_status.h"
#include "transport/ucx/ucx_transfer.h"
#include "runtime/base/checksum.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

namespace longshore::transport {
namespace {

using Steady = std::chrono::steady_clock;

// How long the endpoints may take to end. Beyond it they are left to UCX.
constexpr std::chrono::milliseconds kCloseMax{500};
// A waiter looks so often before it reads the clock, which takes as long as a look.
constexpr int kLooksPerClock = 8;
// A waiter whose sends have moved that recently does not sleep; if they stall longer, the peer is not
// reading.
constexpr std::chrono::microseconds kStalledAfter{200};
// Then it looks again after that long.
constexpr std::chrono::microseconds kLookAgain{50};
// So often in a row UCX may say that it is not ready to sleep before a waiter sleeps all the same, that long.
constexpr int kBusyMax = 64;

}  // namespace

UcxNode::UcxNode(std::unique_ptr<UcxWorker> worker)
    : worker_(std::move(worker)),
      probe_(messages_.take(kProbeRegionBytes)),
      identity_(mix64(longshore::checksum(worker_->address()))) {
  std::memset(probe_.data(), 0x5a, probe_.size());
  regions_[kProbeRegion] = {probe_.bytes()};
}

Result<void> UcxNode::start() {
  for (std::uint32_t kind = 1; kind < kFragmentKinds; ++kind) {
    handler_arguments_[kind] = {this, static_cast<FragmentKind>(kind)};
    ucp_am_handler_param_t param{};
    param.field_mask =
        UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
    param.id = kind;
    param.cb = on_fragment;
    param.arg = &handler_arguments_[kind];
    if (const ucs_status_t status = ucp_worker_set_am_recv_handler(worker_->get(), &param); status != UCS_OK)
      return to_error(status, "setting an active-message handler");
  }
  return {};
}

UcxNode::~UcxNode() {
  CHECK(transfers_.empty()) << transfers_.size() << " transfers outlive their transport";
  while (!connections_.empty()) close(connections_.begin()->first);
  const Steady::time_point end = Steady::now() + kCloseMax;
  while ((!closing_.empty() || sends_in_flight_ > 0) && Steady::now() < end) advance();
  if (!closing_.empty() || sends_in_flight_ > 0)
    log::warn("ucx: {} endpoints and {} fragments did not end in time", closing_.size(), sends_in_flight_);
}

Connection UcxNode::find(PeerId peer) const {
  const auto found = connections_.find(peer);
  return found == connections_.end() ? nullptr : found->second;
}

Connection UcxNode::add_connection(std::uint64_t name, std::vector<std::byte> address) {
  auto connection = std::make_shared<UcxConnection>();
  connection->node = this;
  connection->id = PeerId{++last_peer_};
  connection->name = name;
  connection->address = std::move(address);
  connection->counters = &counters_[connection->id];
  connections_[connection->id] = connection;
  by_name_[name] = connection;
  return connection;
}

Result<void> UcxNode::open_endpoint(UcxConnection& connection) {
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(connection.address.data());
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = on_endpoint_error;
  params.err_handler.arg = &connection;
  const ucs_status_t status = ucp_ep_create(worker_->get(), &params, &connection.endpoint);
  if (status != UCS_OK) {
    connection.endpoint = nullptr;
    Error error = to_error(status, "connecting over UCX");
    error.code = ErrorCode::kUnavailable;
    return error;
  }
  return {};
}

Result<PeerId> UcxNode::connect(std::string_view address) {
  Result<std::vector<std::byte>> bytes = from_text(address);
  if (!bytes) return bytes.error();
  if (*bytes == worker_->address())
    return make_error(ErrorCode::kInvalidArgument, "a node cannot connect to its own address");
  if (connections_.size() >= kPeersMax)
    return make_error(ErrorCode::kResourceExhausted, "this node has ", kPeersMax, " connections");
  const Connection connection = add_connection(mix64(identity_ ^ ++connections_made_), std::move(*bytes));
  if (Result<void> opened = open_endpoint(*connection); !opened) {
    connections_.erase(connection->id);
    by_name_.erase(connection->name);
    return opened.error();
  }
  connection->announced = true;
  Message greeting = messages_.take(worker_->address().size());
  std::memcpy(greeting.data(), worker_->address().data(), greeting.size());
  enqueue(connection, FragmentKind::kGreeting, {}, std::move(greeting));
  return connection->id;
}

void UcxNode::close(PeerId peer) {
  const Connection connection = find(peer);
  if (connection == nullptr) return;
  connection->closed_here = true;
  if (!connection->failure) say_goodbye(connection);
  drop(connection, make_error(ErrorCode::kUnavailable, "the connection was closed here"));
}

Result<void> UcxNode::send(PeerId peer, Message message) {
  if (message.size() == 0 || message.size() > kMessageBytesMax)
    return make_error(ErrorCode::kInvalidArgument, "message of ", message.size(), " bytes; it may have 1 to ",
                      kMessageBytesMax);
  const Connection connection = find(peer);
  if (connection == nullptr || connection->failure)
    return make_error(ErrorCode::kUnavailable, "peer ", peer.value, " is closed or lost");
  ++connection->counters->messages_sent;
  connection->counters->bytes_sent += message.size();
  FragmentHeader header;
  header.number = connection->next_to_send++;
  header.total = message.size();
  enqueue(connection, FragmentKind::kMessage, header, std::move(message));
  return {};
}

std::size_t UcxNode::progress(Receiver& receiver) {
  if (inbox_.empty() && transfers_ended_ == 0) advance();  // `wait` has, otherwise
  std::size_t delivered = std::exchange(transfers_ended_, 0);
  // What comes in while the receiver works (it may close a peer, which makes UCX progress) is for the next
  // call.
  for (std::size_t count = inbox_.size(); count > 0; --count) {
    Delivery delivery = std::move(inbox_.front());
    inbox_.pop_front();
    if (delivery.connection->closed_here) continue;
    ++delivered;
    if (delivery.lost) {
      receiver.on_peer_lost(delivery.connection->id, *delivery.lost);
    } else {
      receiver.on_message(delivery.connection->id, std::move(delivery.message));
    }
  }
  return delivered;
}

void UcxNode::wait(std::chrono::nanoseconds timeout) {
  const Steady::time_point start = Steady::now();
  wait_policy_.begin(start);
  for (advance(); !is_ready(); advance()) {
    for (int i = 0; i < kLooksPerClock && !is_ready(); ++i) advance();
    const Steady::time_point now = Steady::now();
    const WaitPolicy::Step step = wait_policy_.next(now);
    if (step == WaitPolicy::Step::kPark || now - start >= timeout) break;
    if (step == WaitPolicy::Step::kYield) std::this_thread::yield();
  }
  // A send that waits for room in a peer's shared memory wakes nobody when there is: while sends move, look
  // on.
  int busy = 0;
  std::uint64_t sends_seen = sends_done_;
  Steady::time_point moved = Steady::now();
  while (!is_ready()) {
    const Steady::time_point now = Steady::now();
    const std::chrono::nanoseconds left = timeout - (now - start);
    if (left <= std::chrono::nanoseconds::zero()) break;
    if (std::exchange(sends_seen, sends_done_) != sends_done_) moved = now;
    if (sends_in_flight_ > 0 && now - moved < kStalledAfter) {
      std::this_thread::yield();
    } else if (busy > kBusyMax) {
      worker_->doze(std::min<std::chrono::nanoseconds>(left, kLookAgain));
    } else {
      if (!worker_->park(sends_in_flight_ > 0 ? std::min<std::chrono::nanoseconds>(left, kLookAgain) : left))
        ++busy;
      if (!woken_.load(std::memory_order_acquire))
        worker_->clear_wake();  // of a wake that an earlier wait has seen
    }
    advance();
  }
  if (woken_.exchange(false, std::memory_order_acq_rel)) worker_->clear_wake();
}

void UcxNode::wake() {
  woken_.store(true, std::memory_order_release);
  worker_->wake();
}

Result<MemoryRegion> UcxNode::register_memory(std::span<const std::byte> bytes, MemoryKind kind) {
  if (bytes.empty() || kind == MemoryKind::kCuda)
    return make_error(ErrorCode::kInvalidArgument, "cannot register ", bytes.size(), " bytes of memory kind ",
                      static_cast<int>(kind), " with UCX; this build moves host memory");
  const RegionId id{++last_region_};
  regions_[id] = {bytes};
  return MemoryRegion(this, id, bytes, kind);
}

void UcxNode::unregister_memory(RegionId id) {
  const auto region = regions_.find(id);
  if (region == regions_.end()) return;
  const auto reads = [id](const std::shared_ptr<Outgoing>& piece) { return piece->region == id; };
  std::vector<Connection> readers;
  for (const auto& [peer, connection] : connections_)
    if (std::any_of(connection->pieces.begin(), connection->pieces.end(), reads))
      readers.push_back(connection);
  for (const Connection& reader : readers) close(reader->id);
  const Steady::time_point end = Steady::now() + kCloseMax;
  while (region->second.pins > 0 && Steady::now() < end) advance();
  if (region->second.pins > 0) {  // a peer that does not read on: its endpoint lets go when it is ended
    const std::vector<std::pair<PeerId, Connection>> all(connections_.begin(), connections_.end());
    for (const auto& [peer, connection] : all)
      if (connection->in_flight > 0) close(peer);
    const Steady::time_point last = Steady::now() + kCloseMax;
    while (region->second.pins > 0 && Steady::now() < last) advance();
    if (region->second.pins > 0)
      log::error("ucx: {} sends still read region {} as it ends", region->second.pins, id.value);
  }
  regions_.erase(id);
}

Result<std::unique_ptr<Transfer>> UcxNode::prepare(PeerId peer,
                                                   std::span<const TransferPiece> pieces,
                                                   const TransferOptions& options) {
  const Connection connection = find(peer);
  if (connection == nullptr || connection->failure)
    return make_error(ErrorCode::kUnavailable, "peer ", peer.value, " is closed or lost");
  if (Result<void> legal = check_transfer(pieces, options, capabilities()); !legal) return legal.error();
  return std::unique_ptr<Transfer>(std::make_unique<UcxTransfer>(
      this, connection, std::vector<TransferPiece>(pieces.begin(), pieces.end())));
}

Result<PathReport> UcxNode::path(PeerId peer) const {
  const Connection connection = find(peer);
  if (connection == nullptr || connection->endpoint == nullptr)
    return make_error(ErrorCode::kUnavailable, "peer ", peer.value, " is closed or lost");
  return describe_endpoint(connection->endpoint);
}

LinkCounters UcxNode::counters(PeerId peer) const {
  const auto found = counters_.find(peer);
  return found == counters_.end() ? LinkCounters{} : found->second;
}

Result<std::unique_ptr<Transport>> create_ucx_transport(const UcxOptions& options) {
  Result<std::unique_ptr<UcxWorker>> worker = UcxWorker::create(options);
  if (!worker) return worker.error();
  auto node = std::make_unique<UcxNode>(std::move(*worker));
  if (Result<void> started = node->start(); !started) return started.error();
  return std::unique_ptr<Transport>(std::move(node));
}

}  // namespace longshore::transport
