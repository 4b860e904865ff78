#include "transport/transfer.h"

#include "transport/transport.h"

namespace longshore::transport {

Result<void> check_transfer(std::span<const TransferPiece> pieces,
                            const TransferOptions& options,
                            const Capabilities& capabilities) {
  if (pieces.empty() || pieces.size() > kTransferPiecesMax)
    return make_error(ErrorCode::kInvalidArgument, "transfer of ", pieces.size(),
                      " pieces; it may have 1 to ", kTransferPiecesMax);
  if (options.target_kind == MemoryKind::kCuda && !capabilities.device_memory)
    return make_error(ErrorCode::kInvalidArgument, "transport ", capabilities.name,
                      " cannot pull to device memory");
  for (const TransferPiece& piece : pieces) {
    if (piece.bytes == 0 || piece.bytes > kTransferPieceBytesMax)
      return make_error(ErrorCode::kInvalidArgument, "transfer piece of ", piece.bytes,
                        " bytes; it may have 1 to ", kTransferPieceBytesMax);
    if (piece.target.empty() && !capabilities.shares_memory)
      return make_error(ErrorCode::kInvalidArgument, "transport ", capabilities.name,
                        " cannot give a reference: the piece needs a target");
    if (!piece.target.empty() && piece.target.size() != piece.bytes)
      return make_error(ErrorCode::kInvalidArgument, "transfer piece of ", piece.bytes,
                        " bytes has a target of ", piece.target.size());
  }
  return {};
}

}  // namespace longshore::transport
