#include "transport/wire/frame.h"

#include "runtime/base/check.h"
#include "runtime/base/checksum.h"
#include "transport/wire/limits.h"
#include "transport/wire/reader.h"

#include <cstring>

namespace longshore::wire {
namespace {

constexpr std::uint32_t kMagic = 0x3146534c;  // the bytes "LSF1"
constexpr std::size_t kChecksumAt = kFrameHeaderBytes - sizeof(std::uint64_t);

// Over the header up to the checksum, then the body.
std::uint64_t frame_checksum(std::span<const std::byte> frame) {
  ChecksumStream stream;
  stream.update(frame.first(kChecksumAt));
  stream.update(frame.subspan(kFrameHeaderBytes));
  return stream.finish();
}

bool is_known(std::uint16_t kind) { return to_string(static_cast<MessageKind>(kind)) != "unknown"; }

}  // namespace

std::string_view to_string(MessageKind kind) {
  switch (kind) {
    case MessageKind::kHello:
      return "Hello";
    case MessageKind::kHelloReply:
      return "HelloReply";
    case MessageKind::kShutDown:
      return "ShutDown";
    case MessageKind::kPing:
      return "Ping";
    case MessageKind::kPong:
      return "Pong";
    case MessageKind::kAttentionQuery:
      return "AttentionQuery";
    case MessageKind::kAttentionReply:
      return "AttentionReply";
    case MessageKind::kBlockOffer:
      return "BlockOffer";
    case MessageKind::kBlockAck:
      return "BlockAck";
    case MessageKind::kRelease:
      return "Release";
    case MessageKind::kAdopt:
      return "Adopt";
    case MessageKind::kStepBatch:
      return "StepBatch";
    case MessageKind::kStepOutcome:
      return "StepOutcome";
  }
  return "unknown";
}

Result<FrameHeader> read_header(std::span<const std::byte> frame) {
  if (frame.size() < kFrameHeaderBytes)
    return make_error(ErrorCode::kInvalidArgument, "frame: ", frame.size(), " bytes; a header alone has ",
                      kFrameHeaderBytes);
  Reader reader("frame header", frame.first(kFrameHeaderBytes));
  const auto magic = reader.get<std::uint32_t>("magic");
  if (magic != kMagic)
    return make_error(ErrorCode::kInvalidArgument, "frame: begins with ", magic,
                      ", not with LSF1; the peer is no "
                      "Longshore node");
  const auto version = reader.get<std::uint16_t>("version");
  if (version != kWireVersion)
    return make_error(ErrorCode::kFailedPrecondition, "frame: the peer speaks wire version ", version,
                      ", this node ", kWireVersion, "; run the same release on both");
  const auto kind = reader.get<std::uint16_t>("kind");
  if (!is_known(kind)) return make_error(ErrorCode::kInvalidArgument, "frame: unknown message kind ", kind);
  FrameHeader header;
  header.kind = static_cast<MessageKind>(kind);
  header.body_bytes = reader.get<std::uint32_t>("body bytes");
  if (header.body_bytes != frame.size() - kFrameHeaderBytes || header.body_bytes > kBodyBytesMax)
    return make_error(ErrorCode::kInvalidArgument, to_string(header.kind), ": header says ",
                      header.body_bytes, " bytes follow, there are ", frame.size() - kFrameHeaderBytes,
                      " (at most ", kBodyBytesMax, ")");
  header.layer = reader.get<std::uint32_t>("layer");
  header.generation.value = reader.get<std::uint64_t>("generation");
  header.step.value = reader.get<std::uint64_t>("step");
  header.ask = reader.get<std::uint64_t>("ask");
  header.sequence.value = reader.get<std::uint64_t>("sequence");
  header.epoch.value = reader.get<std::uint32_t>("epoch");
  if (reader.get<std::uint32_t>("reserved") != 0)
    return make_error(ErrorCode::kInvalidArgument, to_string(header.kind),
                      ": reserved header bytes are not zero");
  return header;
}

Result<void> verify(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = read_header(frame);
  if (!header) return header.error();
  std::uint64_t stated;
  std::memcpy(&stated, frame.data() + kChecksumAt, sizeof stated);
  if (const std::uint64_t found = frame_checksum(frame); found != stated)
    return make_error(ErrorCode::kDataLoss, to_string(header->kind), ": checksum is ", found,
                      ", header says ", stated, "; the message was changed on its way");
  return {};
}

Result<FrameHeader> open_frame(std::span<const std::byte> frame, MessageKind kind) {
  Result<FrameHeader> header = read_header(frame);
  if (!header) return header;
  if (header->kind != kind)
    return make_error(ErrorCode::kInvalidArgument, "frame: holds ", to_string(header->kind), ", not ",
                      to_string(kind));
  if (Result<void> whole = verify(frame); !whole) return whole.error();
  return header;
}

void seal_frame(FrameHeader header, transport::Message& message) {
  CHECK(message.size() >= kFrameHeaderBytes && message.size() - kFrameHeaderBytes <= kBodyBytesMax)
      << to_string(header.kind) << " of " << message.size() << " bytes";
  std::byte* at = message.data();
  const auto put = [&at](auto value) {
    std::memcpy(at, &value, sizeof value);
    at += sizeof value;
  };
  put(kMagic);
  put(kWireVersion);
  put(static_cast<std::uint16_t>(header.kind));
  put(static_cast<std::uint32_t>(message.size() - kFrameHeaderBytes));
  put(header.layer);
  put(header.generation.value);
  put(header.step.value);
  put(header.ask);
  put(header.sequence.value);
  put(header.epoch.value);
  put(std::uint32_t{0});
  put(frame_checksum(message.bytes()));
  CHECK(at == message.data() + kFrameHeaderBytes);
}

}  // namespace longshore::wire
