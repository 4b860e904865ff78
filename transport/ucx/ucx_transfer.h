#pragma once

#include "transport/transfer.h"
#include "transport/ucx/ucx_node.h"

#include <memory>
#include <vector>

namespace longshore::transport {

// A pull over UCX: asked for with one request for all pieces, answered in fragments that are copied to their
// targets as they come.
class UcxTransfer final : public Transfer {
 public:
  UcxTransfer(UcxNode* node, Connection connection, std::vector<TransferPiece> pieces);
  ~UcxTransfer() override;

  Result<void> post() override;
  TransferState state() const override { return state_; }
  const Error& error() const override;
  std::span<const std::byte> piece(std::size_t index) const override;

  const Connection& connection() const { return connection_; }
  // Copies what has come to its place. False: it has none.
  bool take(std::uint32_t index, std::uint64_t offset, std::span<const std::byte> data);
  void fail(const Error& error);

 private:
  void leave();

  UcxNode* node_;
  Connection connection_;
  std::vector<TransferPiece> pieces_;
  std::uint64_t bytes_left_ = 0;
  std::uint64_t ticket_ = 0;
  TransferState state_ = TransferState::kPrepared;
  Error error_;
};

}  // namespace longshore::transport
