#include "runtime/base/check.h"
#include "transport/ucx/ucx_node.h"
#include "transport/ucx/ucx_status.h"
#include "transport/ucx/ucx_transfer.h"

#include <algorithm>
#include <cstring>

namespace longshore::transport {
namespace {

using Steady = std::chrono::steady_clock;

// Fragments of one connection that UCX may hold at a time. With 8 of 32 KiB a transport never idles between
// two calls of progress, and a message waits behind 256 KiB of pieces at most.
constexpr std::size_t kFragmentsInFlightMax = 8;
// How long a goodbye may take. Beyond it the peer learns from its keep-alive or lease.
constexpr std::chrono::milliseconds kGoodbyeMax{5};

// Calls of UCX's progress in a row, so that peers that never pause cannot keep the owner from what has
// arrived.
constexpr int kProgressMax = 64;

}  // namespace

void UcxNode::enqueue(const Connection& connection, FragmentKind kind, FragmentHeader header, Message body) {
  header.connection = connection->name;
  const bool is_next = connection->messages.empty() && connection->in_flight < kFragmentsInFlightMax;
  if (is_next && body.size() <= kFragmentBytes && connection->endpoint != nullptr && !connection->failure) {
    send_whole(connection, kind, header, std::move(body));
    return;
  }
  auto source = std::make_shared<Outgoing>();
  source->kind = kind;
  source->header = header;
  source->body = std::move(body);
  source->data = source->body.data();
  source->size = source->body.size();
  connection->messages.push_back(std::move(source));
  pump(connection);
}

// Hands over what UCX may hold: messages in their order, then pieces.
void UcxNode::pump(const Connection& connection) {
  if (connection->endpoint == nullptr || connection->failure) return;
  while (connection->in_flight < kFragmentsInFlightMax) {
    std::deque<std::shared_ptr<Outgoing>>& queue =
        !connection->messages.empty() ? connection->messages : connection->pieces;
    if (queue.empty()) return;
    const std::shared_ptr<Outgoing> source = queue.front();
    if (!send_fragment(connection, source)) return;
    if (source->sent == source->size) queue.pop_front();
  }
}

std::unique_ptr<UcxSend> UcxNode::take_send(const FragmentHeader& header) {
  std::unique_ptr<UcxSend> send;
  if (spare_sends_.empty()) {
    send = std::make_unique<UcxSend>();
    send->node = this;
  } else {
    send = std::move(spare_sends_.back());
    spare_sends_.pop_back();
  }
  send->header = header;
  return send;
}

// Gives `send` and `bytes` from `data` to UCX.
UcxNode::Handed UcxNode::hand_over(const Connection& connection,
                                   FragmentKind kind,
                                   UcxSend& send,
                                   const std::byte* data,
                                   std::size_t bytes) {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  param.flags = UCP_AM_SEND_FLAG_EAGER;
  param.cb.send = on_sent;
  param.user_data = &send;
  const ucs_status_ptr_t request = ucp_am_send_nbx(connection->endpoint, static_cast<unsigned>(kind), &send.header,
                                                   sizeof send.header, data, bytes, &param);
  if (request == nullptr) return Handed::kDone;
  if (UCS_PTR_IS_ERR(request)) {
    Error error = to_error(UCS_PTR_STATUS(request), "sending over UCX");
    error.code = ErrorCode::kUnavailable;
    fail(connection, std::move(error));
    return Handed::kFailed;
  }
  send.connection = connection;
  ++connection->in_flight;
  ++sends_in_flight_;
  return Handed::kHeld;
}

// A message of one fragment, which needs no place in the queue.
void UcxNode::send_whole(const Connection& connection, FragmentKind kind, const FragmentHeader& header, Message body) {
  std::unique_ptr<UcxSend> send = take_send(header);
  if (hand_over(connection, kind, *send, body.data(), body.size()) == Handed::kHeld) {
    send->body = std::move(body);
    send.release();  // on_sent takes it back
  } else {
    spare_sends_.push_back(std::move(send));
  }
}

bool UcxNode::send_fragment(const Connection& connection, const std::shared_ptr<Outgoing>& source) {
  const std::size_t bytes = std::min(kFragmentBytes, source->size - source->sent);
  std::unique_ptr<UcxSend> send = take_send(source->header);
  const Handed handed = hand_over(connection, source->kind, *send, source->data + source->sent, bytes);
  if (handed == Handed::kHeld) {
    send->source = source;
    if (source->kind == FragmentKind::kPiece) ++regions_.at(source->region).pins;
    send.release();  // on_sent takes it back
  } else {
    spare_sends_.push_back(std::move(send));
  }
  if (handed == Handed::kFailed) return false;
  source->sent += bytes;
  source->header.offset += bytes;
  if (source->kind == FragmentKind::kPiece) connection->counters->bytes_served += bytes;
  return true;
}

void UcxNode::on_sent(void* request, ucs_status_t, void* argument) {
  // Failures come through the endpoint's error handler as well, once; here the memory is given back.
  std::unique_ptr<UcxSend> send(static_cast<UcxSend*>(argument));
  UcxNode* node = send->node;
  --node->sends_in_flight_;
  ++node->sends_done_;
  --send->connection->in_flight;
  if (send->source != nullptr && send->source->kind == FragmentKind::kPiece) {
    const auto region = node->regions_.find(send->source->region);
    if (region != node->regions_.end()) --region->second.pins;
  }
  send->connection.reset();
  send->source.reset();
  send->body = Message();
  node->spare_sends_.push_back(std::move(send));
  ucp_request_free(request);
}

void UcxNode::on_endpoint_error(void* argument, ucp_ep_h, ucs_status_t status) {
  auto* connection = static_cast<UcxConnection*>(argument);
  if (connection->failure || connection->closed) return;
  Error error = to_error(status, "the connection broke");
  error.code = ErrorCode::kUnavailable;
  connection->node->fail(connection->node->connections_.at(connection->id), std::move(error));
}

void UcxNode::say_goodbye(const Connection& connection) {
  connection->pieces.clear();
  enqueue(connection, FragmentKind::kGoodbye, {}, Message());
  const Steady::time_point end = Steady::now() + kGoodbyeMax;
  while ((!connection->messages.empty() || connection->in_flight > 0) && !connection->failure &&
         Steady::now() < end) {
    worker_->progress();
    pump(connection);
  }
}

// The connection ends here: nothing more is delivered or sent, its transfers fail.
void UcxNode::drop(const Connection& connection, const Error& reason) {
  connection->closed = true;
  connection->messages.clear();
  connection->pieces.clear();
  connection->incoming.clear();
  connections_.erase(connection->id);
  by_name_.erase(connection->name);
  std::vector<UcxTransfer*> transfers;
  for (const auto& [ticket, transfer] : transfers_)
    if (transfer->connection() == connection) transfers.push_back(transfer);
  for (UcxTransfer* transfer : transfers) transfer->fail(reason);
  if (connection->endpoint == nullptr) return;
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = UCP_EP_CLOSE_FLAG_FORCE;
  void* request = ucp_ep_close_nbx(connection->endpoint, &param);
  connection->endpoint = nullptr;
  if (UCS_PTR_IS_PTR(request)) closing_.emplace_back(request, connection);
}

void UcxNode::advance() {
  for (int i = 0; i < kProgressMax && worker_->progress() > 0; ++i) {
  }
  settle();
}

void UcxNode::settle() {
  if (!greeted_.empty()) {
    for (const Connection& connection : std::exchange(greeted_, {})) {
      if (connection->closed || connection->failure) continue;
      if (Result<void> opened = open_endpoint(*connection); !opened) fail(connection, opened.error());
    }
  }
  for (const auto& [peer, connection] : connections_) pump(connection);
  if (!failed_.empty()) {
    for (const Connection& connection : std::exchange(failed_, {})) {
      if (connection->closed) continue;
      drop(connection, *connection->failure);
      if (connection->announced) inbox_.push_back({connection, Message(), connection->failure});
    }
  }
  std::erase_if(closing_, [](const std::pair<void*, Connection>& ending) {
    if (ucp_request_check_status(ending.first) == UCS_INPROGRESS) return false;
    ucp_request_free(ending.first);
    return true;
  });
}

}  // namespace longshore::transport
