#pragma once

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/base/sha256.h"
#include "transport/memory_region.h"
#include "transport/message.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

// How a leaf moves to its holder: offered by the compute node, pulled and verified by the holder,
// acknowledged.
namespace longshore::wire {

// One KvBlock as it lies in the offering node's registered memory.
struct OfferedBlock {
  std::uint32_t layer = 0;
  std::uint32_t kv_head = 0;
  Sha256 name{};  // chain hash of its leaf; with layer and kv_head the block's whole name
  transport::RegionId region;
  std::uint64_t offset = 0;  // in the region
  std::uint32_t bytes = 0;
  std::uint64_t checksum = 0;  // longshore::checksum of the bytes
  bool operator==(const OfferedBlock&) const = default;
};

// Blocks of one leaf of one sequence. They stay where they are, unchanged, until the answer or the loss of
// the peer.
struct BlockOffer {
  PlanGeneration generation;
  SequenceId sequence;
  SequenceEpoch epoch;
  std::uint64_t ask = 0;
  std::uint32_t leaf = 0;    // >= 1: leaf 0 never leaves the compute node
  std::uint32_t stripe = 1;  // of this sequence, in leaves; a power of two (PlacementPlan)
  std::vector<OfferedBlock> blocks;
  bool operator==(const BlockOffer&) const = default;
};

// The holder has all blocks of the offer, verified and visible to queries; or none of them, and why.
struct BlockAck {
  PlanGeneration generation;
  SequenceId sequence;
  SequenceEpoch epoch;
  std::uint64_t ask = 0;
  std::uint32_t leaf = 0;
  std::optional<Error> error;
};

// Frees what the holder keeps of a sequence up to this epoch: all of it, or the leaves from `from_leaf` on.
struct Release {
  PlanGeneration generation;
  SequenceId sequence;
  SequenceEpoch epoch;
  std::uint32_t from_leaf = 0;
  bool operator==(const Release&) const = default;
};

// A sequence begins with leaves that the holder has of another one: its share of leaves [1, leaf_end) of `carrier` becomes
// visible under this name, too. What it does not have, it will not answer for.
struct Adopt {
  PlanGeneration generation;
  SequenceId sequence;
  SequenceEpoch epoch;
  SequenceId carrier;
  SequenceEpoch carrier_epoch;
  std::uint32_t leaf_end = 0;
  bool operator==(const Adopt&) const = default;
};

transport::Message encode(const BlockOffer& offer, transport::MessagePool& pool);
transport::Message encode(const BlockAck& ack, transport::MessagePool& pool);
transport::Message encode(const Release& release, transport::MessagePool& pool);
transport::Message encode(const Adopt& adopt, transport::MessagePool& pool);
// Errors: those of open_frame; kInvalidArgument naming the field and its limit.
Result<BlockOffer> decode_block_offer(std::span<const std::byte> frame);
Result<BlockAck> decode_block_ack(std::span<const std::byte> frame);
Result<Release> decode_release(std::span<const std::byte> frame);
Result<Adopt> decode_adopt(std::span<const std::byte> frame);

}  // namespace longshore::wire
