// Wire messages: the input as a frame, and its body sealed anew as each kind that its seventh byte names, so
// that the checksum does not keep the fuzzer from the decoders. The corpus is sample_messages.h, one file a
// message.

#include "tests/unit/transport/wire/sample_messages.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace longshore;
  static transport::MessagePool pool;
  const std::span<const std::byte> input = std::as_bytes(std::span(data, size));
  transport::Message frame = pool.take(size);
  if (size > 0) std::memcpy(frame.data(), data, size);
  (void)wire::sample::decode_any(frame.bytes());
  if (size < wire::kFrameHeaderBytes) return 0;

  wire::FrameHeader header;
  header.kind = static_cast<wire::MessageKind>(data[6]);
  if (wire::to_string(header.kind) == "unknown") return 0;
  std::memcpy(&header.layer, data + 12, sizeof header.layer);
  (void)wire::sample::decode_any(
      wire::sample::with_body(header, input.subspan(wire::kFrameHeaderBytes), pool).bytes());
  return 0;
}
