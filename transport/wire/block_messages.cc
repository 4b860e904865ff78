#include "transport/wire/block_messages.h"

#include "transport/wire/error_field.h"
#include "transport/wire/frame.h"
#include "transport/wire/limits.h"
#include "transport/wire/reader.h"
#include "transport/wire/writer.h"

#include <bit>

namespace longshore::wire {
namespace {

constexpr std::size_t kBlockEntryBytes = 68;

template <typename M>
FrameHeader header_of(const M& message, MessageKind kind) {
  FrameHeader header;
  header.kind = kind;
  header.generation = message.generation;
  header.sequence = message.sequence;
  header.epoch = message.epoch;
  return header;
}

template <typename M>
M body_of(const FrameHeader& header) {
  M message;
  message.generation = header.generation;
  message.sequence = header.sequence;
  message.epoch = header.epoch;
  return message;
}

}  // namespace

transport::Message encode(const BlockOffer& offer, transport::MessagePool& pool) {
  Writer writer(pool);
  writer.put(offer.leaf);
  writer.put(offer.stripe);
  writer.count(offer.blocks.size(), kOfferBlocksMax);
  for (const OfferedBlock& block : offer.blocks) {
    writer.put(block.layer);
    writer.put(block.kv_head);
    writer.bytes(block.name);
    writer.put(block.region.value);
    writer.put(block.offset);
    writer.put(block.bytes);
    writer.put(block.checksum);
  }
  FrameHeader header = header_of(offer, MessageKind::kBlockOffer);
  header.ask = offer.ask;
  return writer.finish(header);
}

Result<BlockOffer> decode_block_offer(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, MessageKind::kBlockOffer);
  if (!header) return header.error();
  Reader reader("BlockOffer", frame.subspan(kFrameHeaderBytes));
  BlockOffer offer = body_of<BlockOffer>(*header);
  offer.ask = header->ask;
  offer.leaf = reader.in_range<std::uint32_t>("leaf", 1, 0xffffffff);
  offer.stripe = reader.in_range<std::uint32_t>("stripe", 1, 1u << 31);
  if (!std::has_single_bit(offer.stripe))
    reader.refuse(make_error(ErrorCode::kInvalidArgument, "BlockOffer: stripe is ", offer.stripe,
                             ", not a power of two"));
  const std::uint32_t blocks = reader.count("blocks", kOfferBlocksMax, kBlockEntryBytes);
  offer.blocks.reserve(blocks);
  for (std::uint32_t i = 0; i < blocks && !reader.bad(); ++i) {
    OfferedBlock block;
    block.layer = reader.in_range<std::uint32_t>("layer", 0, kLayersMax - 1);
    block.kv_head = reader.in_range<std::uint32_t>("kv_head", 0, kKvHeadsMax - 1);
    block.name = reader.bytes<32>("name");
    block.region.value = reader.get<std::uint64_t>("region");
    block.offset = reader.get<std::uint64_t>("offset");
    block.bytes = reader.in_range<std::uint32_t>("bytes", 1, kBlockBytesMax);
    block.checksum = reader.get<std::uint64_t>("checksum");
    offer.blocks.push_back(block);
  }
  if (Result<void> end = reader.finish(); !end) return end.error();
  return offer;
}

transport::Message encode(const BlockAck& ack, transport::MessagePool& pool) {
  Writer writer(pool);
  writer.put(ack.leaf);
  put_error(writer, ack.error);
  FrameHeader header = header_of(ack, MessageKind::kBlockAck);
  header.ask = ack.ask;
  return writer.finish(header);
}

Result<BlockAck> decode_block_ack(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, MessageKind::kBlockAck);
  if (!header) return header.error();
  Reader reader("BlockAck", frame.subspan(kFrameHeaderBytes));
  BlockAck ack = body_of<BlockAck>(*header);
  ack.ask = header->ask;
  ack.leaf = reader.get<std::uint32_t>("leaf");
  ack.error = get_error(reader, "error");
  if (Result<void> end = reader.finish(); !end) return end.error();
  return ack;
}

transport::Message encode(const Release& release, transport::MessagePool& pool) {
  Writer writer(pool);
  writer.put(release.from_leaf);
  return writer.finish(header_of(release, MessageKind::kRelease));
}

Result<Release> decode_release(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, MessageKind::kRelease);
  if (!header) return header.error();
  Reader reader("Release", frame.subspan(kFrameHeaderBytes));
  Release release = body_of<Release>(*header);
  release.from_leaf = reader.get<std::uint32_t>("from_leaf");
  if (Result<void> end = reader.finish(); !end) return end.error();
  return release;
}

transport::Message encode(const Adopt& adopt, transport::MessagePool& pool) {
  Writer writer(pool);
  writer.put(adopt.carrier.value);
  writer.put(adopt.carrier_epoch.value);
  writer.put(adopt.leaf_end);
  return writer.finish(header_of(adopt, MessageKind::kAdopt));
}

Result<Adopt> decode_adopt(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, MessageKind::kAdopt);
  if (!header) return header.error();
  Reader reader("Adopt", frame.subspan(kFrameHeaderBytes));
  Adopt adopt = body_of<Adopt>(*header);
  adopt.carrier.value = reader.get<std::uint64_t>("carrier");
  adopt.carrier_epoch.value = reader.get<std::uint32_t>("carrier_epoch");
  adopt.leaf_end = reader.get<std::uint32_t>("leaf_end");
  if (Result<void> end = reader.finish(); !end) return end.error();
  return adopt;
}

}  // namespace longshore::wire
