#pragma once

#include <cstddef>
#include <cstdint>

namespace longshore::wire {

// Every count and length that a peer may state, checked before anything is allocated for it. WIRE.md repeats
// them.
inline constexpr std::size_t kBodyBytesMax =
    (std::size_t{256} << 20) - 64;  // with its header a transport's message
inline constexpr std::uint32_t kLayersMax = 512;
inline constexpr std::uint32_t kKvHeadsMax = 1024;
inline constexpr std::uint32_t kGroupMax = 128;  // query heads per KV head
inline constexpr std::uint32_t kHeadDimMax = 1024;
inline constexpr std::uint32_t kItemsMax =
    4096;  // runs of one query: sequences of a step, and leaves of a prefill
inline constexpr std::uint32_t kNodesMax = 65536;  // tree nodes of one reply
inline constexpr std::uint32_t kTreeLevelMax = 31;
inline constexpr std::uint32_t kOfferBlocksMax = 4096;
inline constexpr std::uint32_t kBlockBytesMax = std::uint32_t{1} << 28;
inline constexpr std::uint32_t kNameBytesMax = 256;     // node names, layout names
inline constexpr std::uint32_t kTextBytesMax = 4096;    // error texts; longer ones are cut when encoded
inline constexpr std::uint32_t kStepEntriesMax = 4096;  // starts, releases, keeps and entries of a batch, each
inline constexpr std::uint32_t kPrefixLeavesMax = 0xffffffffu / 128;  // what positions of 32 bits have room for
inline constexpr std::uint32_t kStepTokensMax = std::uint32_t{1} << 20;  // of all entries of a batch together
inline constexpr std::uint32_t kHeadRulesMax = 65536;                    // of one sequence: layers times KV heads
inline constexpr std::uint32_t kLogitBiasMax = 300;
inline constexpr std::uint32_t kEndTokensMax = 64;
inline constexpr std::uint32_t kTopLogprobsMax = 32;

}  // namespace longshore::wire
