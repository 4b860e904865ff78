// How blocks come in: offered, pulled into slots that no reader sees, verified, then visible.
#include <utility>

#include "runtime/base/log.h"
#include "runtime/base/checksum.h"
#include "workers/attention/attention_node.h"

namespace longshore::attention_node {

void AttentionNode::on_offer(transport::PeerId peer, std::span<const std::byte> frame) {
  Result<wire::BlockOffer> offer = wire::decode_block_offer(frame);
  if (!offer) {
    log::warn("{}: refusing an offer: {}", name_, offer.error().message);
    return;
  }
  Pull pull{peer, std::move(*offer), {}, nullptr};
  if (Result<void> begun = begin_pull(pull); !begun) {
    give_up(pull);
    acknowledge(pull, begun.error());
    return;
  }
  pulls_.push_back(std::move(pull));
}

Result<void> AttentionNode::begin_pull(Pull& pull) {
  const wire::BlockOffer& offer = pull.offer;
  if (Result<void> welcome = held_.begin_epoch(pull.peer, offer.sequence, offer.epoch); !welcome) return welcome;
  const bool shares = transport_.capabilities().shares_memory;
  std::vector<transport::TransferPiece> pieces;
  for (const wire::OfferedBlock& block : offer.blocks) {
    if (block.layer >= model_.layers || block.kv_head >= model_.kv_heads || block.bytes != store_.layout().block_bytes())
      return make_error(ErrorCode::kInvalidArgument, "block of layer ", block.layer, ", KV head ", block.kv_head, ", ",
                        block.bytes, " bytes does not fit the model");
    transport::TransferPiece piece{block.region, block.offset, block.bytes, {}};
    if (!shares) {
      const std::optional<BlockId> slot = store_.allocate();
      if (!slot)
        return make_error(ErrorCode::kResourceExhausted, name_, " has no room: all of its ", store_.capacity(),
                          " KV blocks are used");
      pull.blocks.push_back({block.layer, block.kv_head, *slot});
      piece.target = {store_.block(*slot), block.bytes};
    }
    pieces.push_back(piece);
  }
  Result<std::unique_ptr<transport::Transfer>> transfer = transport_.prepare(pull.peer, pieces);
  if (!transfer) return transfer.error();
  pull.transfer = std::move(*transfer);
  return pull.transfer->post();
}

void AttentionNode::finish_pulls() {
  for (auto pull = pulls_.begin(); pull != pulls_.end();) {
    const transport::TransferState state = pull->transfer->state();
    if (state != transport::TransferState::kDone && state != transport::TransferState::kFailed) {
      ++pull;
      continue;
    }
    const Result<void> taken = state == transport::TransferState::kDone ? take_in(*pull) : pull->transfer->error();
    if (!taken) give_up(*pull);
    acknowledge(*pull, taken ? std::nullopt : std::optional(taken.error()));
    pull = pulls_.erase(pull);
  }
}

Result<void> AttentionNode::take_in(Pull& pull) {
  const wire::BlockOffer& offer = pull.offer;
  for (std::size_t i = 0; i < offer.blocks.size(); ++i) {
    const wire::OfferedBlock& block = offer.blocks[i];
    const std::span<const std::byte> bytes = pull.transfer->piece(i);
    if (longshore::checksum(bytes) != block.checksum)
      return make_error(ErrorCode::kDataLoss, "checksum of layer ", block.layer, ", KV head ", block.kv_head,
                        ", leaf ", offer.leaf, " of sequence ", offer.sequence.value, " is wrong");
    if (!transport_.capabilities().shares_memory) continue;
    // The peer's own block, in the store that both use: one more hold on it.
    const std::span<std::byte> memory = store_.memory();
    const std::optional<BlockId> shared = bytes.data() >= memory.data() && bytes.data() < memory.data() + memory.size()
                                              ? store_.block_at(static_cast<std::size_t>(bytes.data() - memory.data()))
                                              : std::nullopt;
    if (!shared)
      return make_error(ErrorCode::kInvalidArgument, "a block was offered by reference from another store");
    store_.share(*shared);
    pull.blocks.push_back({block.layer, block.kv_head, *shared});
  }
  // A newer epoch, or a release, may have come while the blocks were on their way.
  if (Result<void> welcome = held_.begin_epoch(pull.peer, offer.sequence, offer.epoch); !welcome) return welcome;
  held_.insert(pull.peer, offer.sequence, offer.leaf, pull.blocks);
  blocks_in_.add(static_cast<double>(pull.blocks.size()));
  pull.blocks.clear();  // they belong to held_ now
  return {};
}

void AttentionNode::give_up(Pull& pull) {
  pull.transfer.reset();  // late data goes nowhere from here on
  for (const HeldSequences::Placed& placed : pull.blocks) store_.release(placed.block);
  pull.blocks.clear();
}

void AttentionNode::acknowledge(const Pull& pull, std::optional<Error> error) {
  const wire::BlockOffer& offer = pull.offer;
  send(pull.peer, wire::encode(wire::BlockAck{offer.generation, offer.sequence, offer.epoch, offer.ask, offer.leaf,
                                              std::move(error)},
                               transport_.messages()));
}

}  // namespace longshore::attention_node
