#include "transport/wire/session_messages.h"

#include "transport/wire/error_field.h"
#include "transport/wire/frame.h"
#include "transport/wire/limits.h"
#include "transport/wire/reader.h"
#include "transport/wire/writer.h"

namespace longshore::wire {
namespace {

FrameHeader session_header(MessageKind kind, std::uint64_t ask, PlanGeneration generation = {}) {
  FrameHeader header;
  header.kind = kind;
  header.ask = ask;
  header.generation = generation;
  return header;
}

void put_hello(Writer& writer, const Hello& hello) {
  writer.text(hello.node, kNameBytesMax);
  writer.put(hello.id.value);
  writer.put<std::uint8_t>(hello.role == NodeRole::kCompute ? 0 : 1);
  writer.bytes(hello.model);
  writer.put(hello.numerics_version);
  writer.text(hello.kv_layout, kNameBytesMax);
  writer.put(hello.block_bytes);
  writer.put(hello.layers);
  writer.put(hello.kv_heads);
  writer.put(hello.head_dim);
}

Hello get_hello(Reader& reader, const FrameHeader& header) {
  Hello hello;
  hello.node = reader.text("node", kNameBytesMax);
  hello.id.value = reader.get<std::uint32_t>("node id");
  hello.role = reader.in_range<std::uint8_t>("role", 0, 1) == 0 ? NodeRole::kCompute : NodeRole::kAttention;
  hello.model = reader.bytes<32>("model");
  hello.numerics_version = reader.get<std::uint32_t>("numerics version");
  hello.kv_layout = reader.text("KV layout", kNameBytesMax);
  hello.block_bytes = reader.in_range<std::uint64_t>("block bytes", 0, kBlockBytesMax);
  hello.layers = reader.in_range<std::uint32_t>("layers", 0, kLayersMax);
  hello.kv_heads = reader.in_range<std::uint32_t>("KV heads", 0, kKvHeadsMax);
  hello.head_dim = reader.in_range<std::uint32_t>("head_dim", 0, kHeadDimMax);
  hello.generation = header.generation;
  hello.ask = header.ask;
  return hello;
}

transport::Message encode_ping_of(MessageKind kind, const Ping& ping, transport::MessagePool& pool) {
  Writer writer(pool);
  writer.put(ping.sent_nanoseconds);
  return writer.finish(session_header(kind, ping.ask));
}

Result<Ping> decode_ping_of(MessageKind kind, std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, kind);
  if (!header) return header.error();
  Reader reader(to_string(kind), frame.subspan(kFrameHeaderBytes));
  Ping ping;
  ping.ask = header->ask;
  ping.sent_nanoseconds = reader.get<std::uint64_t>("sent_nanoseconds");
  if (Result<void> end = reader.finish(); !end) return end.error();
  return ping;
}

template <typename T>
Error disagreement(std::string_view what,
                   const Hello& theirs,
                   const T& our_value,
                   const T& their_value,
                   std::string_view remedy) {
  return make_error(ErrorCode::kFailedPrecondition, "node ", theirs.node, " has ", what, " ", their_value,
                    ", this node ", our_value, "; ", remedy);
}

}  // namespace

Result<void> check_agreement(const Hello& ours, const Hello& theirs) {
  if (ours.model != theirs.model)
    return disagreement("model", theirs, to_hex(ours.model), to_hex(theirs.model),
                        "serve the same model file on both");
  if (ours.numerics_version != theirs.numerics_version)
    return disagreement("numerics version", theirs, ours.numerics_version, theirs.numerics_version,
                        "run the same release on both");
  if (ours.kv_layout != theirs.kv_layout)
    return disagreement("KV layout", theirs, ours.kv_layout, theirs.kv_layout,
                        "give both the same --kv-type");
  const char* const same_shape = "serve the same model file on both";
  if (ours.layers != theirs.layers)
    return disagreement("layers", theirs, ours.layers, theirs.layers, same_shape);
  if (ours.kv_heads != theirs.kv_heads)
    return disagreement("KV heads", theirs, ours.kv_heads, theirs.kv_heads, same_shape);
  if (ours.head_dim != theirs.head_dim)
    return disagreement("head_dim", theirs, ours.head_dim, theirs.head_dim, same_shape);
  if (ours.block_bytes != theirs.block_bytes)
    return disagreement("block bytes", theirs, ours.block_bytes, theirs.block_bytes,
                        "run the same release on both");
  return {};
}

transport::Message encode(const Hello& hello, transport::MessagePool& pool) {
  Writer writer(pool);
  put_hello(writer, hello);
  return writer.finish(session_header(MessageKind::kHello, hello.ask, hello.generation));
}

Result<Hello> decode_hello(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, MessageKind::kHello);
  if (!header) return header.error();
  Reader reader("Hello", frame.subspan(kFrameHeaderBytes));
  Hello hello = get_hello(reader, *header);
  if (Result<void> end = reader.finish(); !end) return end.error();
  return hello;
}

transport::Message encode(const HelloReply& reply, transport::MessagePool& pool) {
  Writer writer(pool);
  put_hello(writer, reply.hello);
  put_error(writer, reply.error);
  return writer.finish(session_header(MessageKind::kHelloReply, reply.hello.ask, reply.hello.generation));
}

Result<HelloReply> decode_hello_reply(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, MessageKind::kHelloReply);
  if (!header) return header.error();
  Reader reader("HelloReply", frame.subspan(kFrameHeaderBytes));
  HelloReply reply;
  reply.hello = get_hello(reader, *header);
  reply.error = get_error(reader, "error");
  if (Result<void> end = reader.finish(); !end) return end.error();
  return reply;
}

transport::Message encode_ping(const Ping& ping, transport::MessagePool& pool) {
  return encode_ping_of(MessageKind::kPing, ping, pool);
}

transport::Message encode_pong(const Ping& ping, transport::MessagePool& pool) {
  return encode_ping_of(MessageKind::kPong, ping, pool);
}

Result<Ping> decode_ping(std::span<const std::byte> frame) {
  return decode_ping_of(MessageKind::kPing, frame);
}

Result<Ping> decode_pong(std::span<const std::byte> frame) {
  return decode_ping_of(MessageKind::kPong, frame);
}

transport::Message encode(const ShutDown& notice, transport::MessagePool& pool) {
  Writer writer(pool);
  writer.text(notice.reason, kTextBytesMax);
  return writer.finish(session_header(MessageKind::kShutDown, 0));
}

Result<ShutDown> decode_shut_down(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, MessageKind::kShutDown);
  if (!header) return header.error();
  Reader reader("ShutDown", frame.subspan(kFrameHeaderBytes));
  ShutDown notice;
  notice.reason = reader.text("reason", kTextBytesMax);
  if (Result<void> end = reader.finish(); !end) return end.error();
  return notice;
}

}  // namespace longshore::wire
