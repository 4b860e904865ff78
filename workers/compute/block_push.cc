#include "workers/compute/block_push.h"

#include <set>
#include <span>

#include "runtime/base/check.h"
#include "runtime/base/checksum.h"

namespace longshore::compute {

BlockPush::BlockPush(const model::ModelConfig& config, kv::KvStore& store, ThreadPool& pool, Holders& holders,
                     transport::RegionId region, const blocks::ChainRoot& chain_root)
    : config_(config), store_(store), pool_(pool), holders_(holders), region_(region), chain_root_(chain_root) {}

void BlockPush::offer_full_leaves(SequenceState& sequence) {
  if (sequence.names.size() < sequence.full_leaves()) {
    const std::string preset = to_text(sequence.start.heads);
    blocks::ChainRoot root = chain_root_;
    root.preset = preset;
    blocks::name_leaves(root, blocks::chain_fork(decode_text(sequence.start.heads), sequence.start.prompt_tokens),
                        sequence.tokens, sequence.full_leaves(), sequence.names);
  }
  if (!sequence.plan->has_holders() || sequence.start.heads.is_narrow()) return;
  while (sequence.hand_over.offered_end() < sequence.full_leaves()) {
    const std::uint32_t leaf = sequence.hand_over.offered_end();
    std::set<NodeId> nodes;
    std::vector<NodeId> offered;
    for (std::uint32_t head = 0; head < config_.kv_heads; ++head)
      nodes.insert(sequence.plan->holder(head, leaf, sequence.stripe));
    for (NodeId node : nodes) {
      if (!holders_.is_connected(node)) {
        offered.push_back(node);  // it will not answer: the leaf stays here
        continue;
      }
      Offer open{node, {}};
      wire::BlockOffer offer{sequence.plan->generation, sequence.start.sequence, sequence.start.epoch,
                             holders_.next_ask(),       leaf,                    sequence.stripe,
                             seal(sequence, leaf, node, open.blocks)};
      if (offer.blocks.empty()) continue;
      for (BlockId block : open.blocks) store_.share(block);
      open_.emplace(offer.ask, std::move(open));
      holders_.send(node, wire::encode(offer, holders_.transport().messages()));
      offered.push_back(node);
    }
    sequence.hand_over.on_offered(offered);
  }
}

std::vector<wire::OfferedBlock> BlockPush::seal(const SequenceState& sequence, std::uint32_t leaf, NodeId node,
                                                std::vector<BlockId>& blocks) {
  std::vector<wire::OfferedBlock> offered;
  for (std::uint32_t layer = 0; layer < config_.layers; ++layer) {
    for (std::uint32_t head = 0; head < config_.kv_heads; ++head) {
      if (!sequence.rule(config_, layer, head).sees_all()) continue;
      if (sequence.plan->holder(head, leaf, sequence.stripe) != node) continue;
      const std::optional<BlockId> block = sequence.table.at(leaf, layer, head);
      CHECK(block) << "leaf " << leaf << " of sequence " << sequence.start.sequence.value << " is not here";
      blocks.push_back(*block);
      offered.push_back({layer, head, sequence.names[leaf], region_, store_.block_offset(*block),
                         static_cast<std::uint32_t>(store_.layout().block_bytes()), 0});
    }
  }
  pool_.for_each(offered.size(), 4, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t i = begin; i < end; ++i)
      offered[i].checksum = longshore::checksum({store_.block(blocks[i]), store_.layout().block_bytes()});
  });
  return offered;
}

void BlockPush::release(const Offer& offer) {
  for (BlockId block : offer.blocks) store_.release(block);
}

void BlockPush::on_acknowledged(std::uint64_t ask) {
  const auto found = open_.find(ask);
  if (found == open_.end()) return;
  release(found->second);
  open_.erase(found);
}

void BlockPush::on_lost(NodeId node) {
  for (auto offer = open_.begin(); offer != open_.end();) {
    if (offer->second.node != node) {
      ++offer;
      continue;
    }
    release(offer->second);
    offer = open_.erase(offer);
  }
}

}  // namespace longshore::compute
