#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "runtime/base/thread_pool.h"
#include "runtime/blocks/chain_hash.h"
#include "runtime/kv/kv_store.h"
#include "runtime/model/model_config.h"
#include "transport/memory_region.h"
#include "workers/compute/holders.h"
#include "workers/compute/sequence_state.h"

namespace longshore::compute {

// Seals full leaves (names and checksums them) and offers them to their holders, who pull. An offered block keeps one
// more holder in the store until the answer or the loss of the node, so that nobody reads recycled memory.
// Only heads that see all are handed over: a window's leaves are needed here as long as they are seen at all.
// Thread: the compute thread.
class BlockPush {
 public:
  BlockPush(const model::ModelConfig& config, kv::KvStore& store, ThreadPool& pool, Holders& holders,
            transport::RegionId region, const blocks::ChainRoot& chain_root);

  // Offers every full leaf that was not offered yet.
  void offer_full_leaves(SequenceState& sequence);
  // The node has answered for an offer; gives the leaf back if it belongs to one that is still open.
  void on_acknowledged(std::uint64_t ask);
  // Its offers will not be answered.
  void on_lost(NodeId node);
  std::size_t open_offers() const { return open_.size(); }

 private:
  struct Offer {
    NodeId node;
    std::vector<BlockId> blocks;
  };

  std::vector<wire::OfferedBlock> seal(const SequenceState& sequence, std::uint32_t leaf, NodeId node,
                                       std::vector<BlockId>& blocks);
  void release(const Offer& offer);

  const model::ModelConfig& config_;
  kv::KvStore& store_;
  ThreadPool& pool_;
  Holders& holders_;
  transport::RegionId region_;
  blocks::ChainRoot chain_root_;  // but for the preset
  std::map<std::uint64_t, Offer> open_;  // by ask
};

}  // namespace longshore::compute
