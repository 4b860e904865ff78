#pragma once

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "transport/message.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace longshore::wire {

// Grows with every change of any message, of the frame or of how a KV block lies in memory. Nodes talk only to nodes of
// the same version.
inline constexpr std::uint16_t kWireVersion = 5;
inline constexpr std::size_t kFrameHeaderBytes = 64;  // so that a body starts at a multiple of 64, too
inline constexpr std::uint32_t kNoLayer = 0xffffffff;

enum class MessageKind : std::uint16_t {
  kHello = 1,
  kHelloReply = 2,
  kShutDown = 3,
  kPing = 4,
  kPong = 5,
  kAttentionQuery = 16,
  kAttentionReply = 17,
  kBlockOffer = 32,
  kBlockAck = 33,
  kRelease = 34,
  kAdopt = 35,
  kStepBatch = 48,
  kStepOutcome = 49,
};
std::string_view to_string(MessageKind kind);

// The first 64 bytes of every message: all that is needed to refuse one that is late, doubled or foreign
// before its content is looked at. Fields that mean nothing for a kind are 0 (layer: kNoLayer).
struct FrameHeader {
  MessageKind kind = MessageKind::kPing;
  PlanGeneration generation;
  StepId step;
  std::uint64_t ask = 0;  // chosen by whoever asks, repeated in the answer
  SequenceId sequence;    // of messages about one sequence
  SequenceEpoch epoch;    // likewise; queries and batches carry one per item
  std::uint32_t layer = kNoLayer;
  std::uint32_t body_bytes = 0;

  bool operator==(const FrameHeader&) const = default;
};

// Reads magic, version, kind and length; looks at no byte of the body. Errors: kInvalidArgument (not a frame,
// unknown kind, length differs from the message's), kFailedPrecondition (another wire version; names both).
Result<FrameHeader> read_header(std::span<const std::byte> frame);

// Compares header and body with the checksum in the header. Errors: kDataLoss, and those of read_header.
Result<void> verify(std::span<const std::byte> frame);

// read_header, kind and verify: what every decoder begins with. Errors: theirs, and kInvalidArgument for
// another kind.
Result<FrameHeader> open_frame(std::span<const std::byte> frame, MessageKind kind);

// Fills in the first 64 bytes of a message whose body is complete; sets body_bytes from its size and computes
// the checksum. Requires: kFrameHeaderBytes <= message.size() <= kFrameHeaderBytes + kBodyBytesMax.
void seal_frame(FrameHeader header, transport::Message& message);

}  // namespace longshore::wire
