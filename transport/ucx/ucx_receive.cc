#include "runtime/base/log.h"
#include "transport/ucx/ucx_node.h"
#include "transport/ucx/ucx_transfer.h"

#include <algorithm>
#include <cstring>

namespace longshore::transport {
namespace {

// Of one connection, of messages that have begun and not ended: two of the largest.
constexpr std::size_t kIncomingBytesMax = 2 * kMessageBytesMax;
constexpr std::uint64_t kIncomingMessagesMax = 4096;
// Pieces of one peer that wait to be served: a few transfers.
constexpr std::size_t kPiecesWaitingMax = 16 * kTransferPiecesMax;
constexpr std::size_t kAddressBytesMax = 16384;
constexpr std::size_t kRefusalBytesMax = 512;

Error broken_promise(const UcxConnection& connection, std::string_view what) {
  return make_error(ErrorCode::kUnavailable, "peer ", connection.id.value, " sent ", what,
                    "; it is no Longshore node of this version, or broken");
}

}  // namespace

ucs_status_t UcxNode::on_fragment(void* argument,
                                  const void* header_bytes,
                                  std::size_t header_size,
                                  void* data,
                                  std::size_t size,
                                  const ucp_am_recv_param_t* param) {
  const auto* handler = static_cast<const HandlerArgument*>(argument);
  UcxNode& node = *handler->node;
  FragmentHeader header;
  const bool eager = (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) == 0;
  if (header_size != sizeof header || !eager) {
    log::debug("ucx: fragment of kind {} with a header of {} bytes is dropped",
               static_cast<int>(handler->kind), header_size);
    return UCS_OK;
  }
  std::memcpy(&header, header_bytes, sizeof header);
  const std::span<const std::byte> payload(static_cast<const std::byte*>(data), size);
  const auto found = node.by_name_.find(header.connection);
  if (handler->kind == FragmentKind::kGreeting) {
    if (found == node.by_name_.end()) node.take_greeting(header, payload);
    return UCS_OK;
  }
  // Late, from a connection that has ended here; or foreign. Nothing of it is looked at.
  if (found == node.by_name_.end() || found->second->failure) return UCS_OK;
  const Connection connection = found->second;
  switch (handler->kind) {
    case FragmentKind::kMessage:
      node.take_message(connection, header, payload);
      break;
    case FragmentKind::kPull:
      node.take_pull(connection, header, payload);
      break;
    case FragmentKind::kPiece:
      node.take_piece(connection, header, payload);
      break;
    case FragmentKind::kRefusal:
      node.take_refusal(connection, header, payload);
      break;
    case FragmentKind::kGoodbye:
      node.fail(connection, make_error(ErrorCode::kUnavailable, "the peer has closed the connection"));
      break;
    case FragmentKind::kGreeting:
      break;
  }
  return UCS_OK;
}

void UcxNode::fail(const Connection& connection, Error error) {
  if (connection->failure) return;
  connection->failure = std::move(error);
  failed_.push_back(connection);
}

void UcxNode::take_greeting(const FragmentHeader& header, std::span<const std::byte> data) {
  if (connections_.size() >= kPeersMax || data.empty() || data.size() > kAddressBytesMax) {
    log::warn("ucx: refused a connection: {} of {} exist, the address has {} bytes", connections_.size(),
              kPeersMax, data.size());
    return;
  }
  greeted_.push_back(add_connection(header.connection, {data.begin(), data.end()}));
}

void UcxNode::take_message(const Connection& connection,
                           const FragmentHeader& header,
                           std::span<const std::byte> data) {
  if (header.total == 0 || header.total > kMessageBytesMax || header.number < connection->next_to_deliver ||
      header.number - connection->next_to_deliver >= kIncomingMessagesMax)
    return fail(connection, broken_promise(*connection, "a message of impossible size or number"));
  // The next one, in one fragment: most messages.
  if (header.number == connection->next_to_deliver && data.size() == header.total && connection->incoming.empty()) {
    Message message = messages_.take(data.size());
    std::memcpy(message.data(), data.data(), data.size());
    deliver(connection, std::move(message));
    return;
  }
  auto [place, is_first] = connection->incoming.try_emplace(header.number);
  Incoming& incoming = place->second;
  if (is_first) {
    connection->incoming_bytes += header.total;
    if (connection->incoming_bytes > kIncomingBytesMax)
      return fail(connection, broken_promise(*connection, "too many messages at once"));
    incoming.message = messages_.take(header.total);
    incoming.bytes_left = header.total;
  }
  const std::size_t total = incoming.message.size();
  if (header.total != total || header.offset > total || data.size() > total - header.offset ||
      data.size() > incoming.bytes_left || data.empty())
    return fail(connection, broken_promise(*connection, "a fragment that does not fit its message"));
  std::memcpy(incoming.message.data() + header.offset, data.data(), data.size());
  incoming.bytes_left -= data.size();

  // UCX may carry the fragments of a large message on several devices: only whole ones, and in order.
  for (auto next = connection->incoming.find(connection->next_to_deliver);
       next != connection->incoming.end() && next->second.bytes_left == 0;
       next = connection->incoming.find(connection->next_to_deliver)) {
    connection->incoming_bytes -= next->second.message.size();
    deliver(connection, std::move(next->second.message));
    connection->incoming.erase(next);
  }
}

void UcxNode::deliver(const Connection& connection, Message message) {
  ++connection->next_to_deliver;
  ++connection->counters->messages_received;
  connection->counters->bytes_received += message.size();
  connection->announced = true;
  inbox_.push_back({connection, std::move(message), std::nullopt});
}

void UcxNode::take_pull(const Connection& connection,
                        const FragmentHeader& header,
                        std::span<const std::byte> data) {
  const std::size_t count = data.size() / sizeof(PullRequest);
  if (connection->pieces.size() + count > kPiecesWaitingMax)
    return fail(connection, broken_promise(*connection, "more pulls than are allowed at once"));
  for (std::size_t i = 0; i < count; ++i) {
    PullRequest request;
    std::memcpy(&request, data.data() + i * sizeof request, sizeof request);
    const auto region = regions_.find(RegionId{request.region});
    if (region == regions_.end())
      return refuse(connection, header.number,
                    make_error(ErrorCode::kNotFound, "the peer has no region ", request.region));
    const std::span<const std::byte> bytes = region->second.bytes;
    if (request.bytes == 0 || request.bytes > bytes.size() || request.offset > bytes.size() - request.bytes)
      return refuse(
          connection, header.number,
          make_error(ErrorCode::kInvalidArgument, "pull of ", request.bytes, " bytes at ", request.offset,
                     " is outside region ", request.region, " of ", bytes.size(), " bytes"));
    auto piece = std::make_shared<Outgoing>();
    piece->kind = FragmentKind::kPiece;
    piece->header.connection = header.connection;
    piece->header.number = header.number;
    piece->header.piece = header.piece + static_cast<std::uint32_t>(i);
    piece->data = bytes.data() + request.offset;
    piece->size = request.bytes;
    piece->region = RegionId{request.region};
    connection->pieces.push_back(std::move(piece));
  }
}

// Queued only: nothing of UCX may be called from inside its progress.
void UcxNode::refuse(const Connection& connection, std::uint64_t ticket, const Error& error) {
  auto refusal = std::make_shared<Outgoing>();
  refusal->kind = FragmentKind::kRefusal;
  refusal->header.connection = connection->name;
  refusal->header.number = ticket;
  refusal->header.total = static_cast<std::uint64_t>(error.code);
  const std::size_t size = std::min(error.message.size(), kRefusalBytesMax);
  refusal->body = messages_.take(size);
  std::memcpy(refusal->body.data(), error.message.data(), size);
  refusal->data = refusal->body.data();
  refusal->size = size;
  connection->messages.push_back(std::move(refusal));
}

void UcxNode::take_piece(const Connection& connection,
                         const FragmentHeader& header,
                         std::span<const std::byte> data) {
  const auto transfer = transfers_.find(header.number);
  // A transfer that was given up: its targets are others' by now.
  if (transfer == transfers_.end() || transfer->second->connection() != connection) return;
  if (!transfer->second->take(header.piece, header.offset, data))
    fail(connection, broken_promise(*connection, "a piece that was not asked for"));
}

void UcxNode::take_refusal(const Connection& connection,
                           const FragmentHeader& header,
                           std::span<const std::byte> data) {
  const auto transfer = transfers_.find(header.number);
  if (transfer == transfers_.end() || transfer->second->connection() != connection) return;
  const bool known = header.total <= static_cast<std::uint64_t>(ErrorCode::kInternal);
  const std::size_t size = std::min(data.size(), kRefusalBytesMax);
  transfer->second->fail({known ? static_cast<ErrorCode>(header.total) : ErrorCode::kInternal,
                          std::string(reinterpret_cast<const char*>(data.data()), size)});
}

}  // namespace longshore::transport
