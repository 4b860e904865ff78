#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "runtime/attention/attend.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/blocks/block_table.h"
#include "runtime/kv/kv_store.h"
#include "transport/endpoint.h"

namespace longshore::attention_node {

// The blocks that this node holds and readers may see, by compute node and sequence. A leaf's blocks appear together,
// once they are verified; nothing is ever half there. One thread.
class HeldSequences {
 public:
  HeldSequences(kv::KvStore& store, std::uint32_t layers, std::uint32_t kv_heads)
      : store_(store), layers_(layers), kv_heads_(kv_heads) {}
  ~HeldSequences();
  HeldSequences(const HeldSequences&) = delete;
  HeldSequences& operator=(const HeldSequences&) = delete;

  struct Placed {
    std::uint32_t layer = 0, kv_head = 0;
    BlockId block;
  };

  // Whether blocks of this epoch are welcome: kAborted for an epoch that is over. A newer epoch frees the older one.
  Result<void> begin_epoch(transport::PeerId peer, SequenceId sequence, SequenceEpoch epoch);
  // Makes blocks visible; takes over one hold on each. Those that were there before (a repeated offer) are released.
  // Requires: begin_epoch succeeded; layers and heads within the model.
  void insert(transport::PeerId peer, SequenceId sequence, std::uint32_t leaf, std::span<const Placed> blocks);
  // Leaves [1, leaf_end) of another sequence of the peer, as far as they are held, are held for this one, too.
  struct Of {
    SequenceId sequence;
    SequenceEpoch epoch;
  };
  void adopt(transport::PeerId peer, Of sequence, Of carrier, std::uint32_t leaf_end);
  // Frees a sequence up to this epoch: leaves from `from_leaf` on.
  void release(transport::PeerId peer, SequenceId sequence, SequenceEpoch epoch, std::uint32_t from_leaf);
  void release_peer(transport::PeerId peer);

  // The held leaves in [1, leaf_end) of one layer and head, ascending.
  // Errors: kNotFound (sequence unknown), kAborted (another epoch).
  Result<void> find(transport::PeerId peer, SequenceId sequence, SequenceEpoch epoch, std::uint32_t layer,
                    std::uint32_t kv_head, std::uint32_t leaf_end, std::vector<attention::HeldLeaf>& held) const;
  std::size_t sequences() const { return sequences_.size(); }
  std::uint64_t leaves() const { return leaves_; }  // of which at least one block is held, over all sequences
  std::uint64_t blocks() const { return blocks_; }

 private:
  struct Held {
    SequenceEpoch epoch;
    blocks::BlockTable table;
    std::vector<std::uint32_t> leaf_blocks;  // [leaves] how many are held of each
  };
  using Key = std::pair<transport::PeerId, SequenceId>;

  void free_leaves(Held& held, std::uint32_t from_leaf);

  kv::KvStore& store_;
  std::uint32_t layers_;
  std::uint32_t kv_heads_;
  std::map<Key, Held> sequences_;
  std::uint64_t leaves_ = 0;
  std::uint64_t blocks_ = 0;
};

}  // namespace longshore::attention_node
