#include "transport/ucx/ucx_transfer.h"

#include "runtime/base/check.h"

#include <algorithm>
#include <cstring>

namespace longshore::transport {

UcxTransfer::UcxTransfer(UcxNode* node, Connection connection, std::vector<TransferPiece> pieces)
    : node_(node), connection_(std::move(connection)), pieces_(std::move(pieces)) {
  for (const TransferPiece& piece : pieces_) bytes_left_ += piece.bytes;
}

UcxTransfer::~UcxTransfer() { node_->transfers_.erase(ticket_); }

Result<void> UcxTransfer::post() {
  CHECK(state_ == TransferState::kPrepared) << "a transfer is posted once";
  if (connection_->closed || connection_->failure)
    return make_error(ErrorCode::kUnavailable, "cannot pull: peer ", connection_->id.value,
                      " is closed or lost");
  ticket_ = ++node_->last_ticket_;
  node_->transfers_[ticket_] = this;
  state_ = TransferState::kPosted;
  for (std::size_t first = 0; first < pieces_.size(); first += kPullRequestsPerFragment) {
    const std::size_t count = std::min(kPullRequestsPerFragment, pieces_.size() - first);
    Message body = node_->messages_.take(count * sizeof(PullRequest));
    for (std::size_t i = 0; i < count; ++i) {
      const TransferPiece& piece = pieces_[first + i];
      const PullRequest request{piece.region.value, piece.offset, piece.bytes};
      std::memcpy(body.data() + i * sizeof request, &request, sizeof request);
    }
    FragmentHeader header;
    header.number = ticket_;
    header.piece = static_cast<std::uint32_t>(first);
    node_->enqueue(connection_, FragmentKind::kPull, header, std::move(body));
  }
  return {};
}

const Error& UcxTransfer::error() const {
  CHECK(state_ == TransferState::kFailed);
  return error_;
}

std::span<const std::byte> UcxTransfer::piece(std::size_t index) const {
  CHECK(state_ == TransferState::kDone && index < pieces_.size()) << index;
  return pieces_[index].target;
}

bool UcxTransfer::take(std::uint32_t index, std::uint64_t offset, std::span<const std::byte> data) {
  if (index >= pieces_.size()) return false;
  const std::span<std::byte> target = pieces_[index].target;
  if (offset > target.size() || data.size() > target.size() - offset || data.size() > bytes_left_)
    return false;
  std::memcpy(target.data() + offset, data.data(), data.size());
  bytes_left_ -= data.size();
  connection_->counters->bytes_pulled += data.size();
  if (bytes_left_ == 0) {
    state_ = TransferState::kDone;
    ++connection_->counters->transfers_done;
    leave();
  }
  return true;
}

void UcxTransfer::fail(const Error& error) {
  error_ = error;
  state_ = TransferState::kFailed;
  ++connection_->counters->transfers_failed;
  leave();
}

void UcxTransfer::leave() {
  node_->transfers_.erase(ticket_);
  ++node_->transfers_ended_;
}

}  // namespace longshore::transport
