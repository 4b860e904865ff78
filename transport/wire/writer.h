#pragma once

#include "runtime/base/check.h"
#include "transport/message.h"
#include "transport/wire/frame.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace longshore::wire {

// Appends little-endian fields to the body of a frame; `finish` seals it. What it is given is ours, so limits
// are CHECKed: a message that its reader would refuse is a programmer error of the sender.
class Writer {
 public:
  // `expected`: about how long the body will be, so that it need not grow on the way.
  explicit Writer(transport::MessagePool& pool, std::size_t expected = 0) : message_(pool.take(kFrameHeaderBytes + expected)) {
    message_.resize(kFrameHeaderBytes);
  }

  template <typename T>
  requires std::is_arithmetic_v<T>
  void put(T value) { std::memcpy(extend(sizeof(T)), &value, sizeof(T)); }
  void flag(bool value) { put<std::uint8_t>(value ? 1 : 0); }
  void count(std::size_t value, std::uint32_t most) {
    CHECK(value <= most) << value << " of at most " << most;
    put(static_cast<std::uint32_t>(value));
  }
  void bytes(std::span<const std::uint8_t> value) {
    if (!value.empty()) std::memcpy(extend(value.size()), value.data(), value.size());
  }
  // A u32 length and the bytes; cut to `most`, for texts that only people read.
  void text(std::string_view value, std::uint32_t most) {
    value = value.substr(0, most);
    put(static_cast<std::uint32_t>(value.size()));
    bytes({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
  }
  // Zeros up to the next multiple of `alignment` from the start of the body.
  void align(std::size_t alignment) {
    const std::size_t padding = (alignment - size() % alignment) % alignment;
    if (padding > 0) std::memset(extend(padding), 0, padding);
  }
  // Room that the caller fills in later; its bytes are unspecified until then.
  void skip(std::size_t bytes) { extend(bytes); }
  // Bytes written so far.
  std::size_t size() const { return message_.size() - kFrameHeaderBytes; }

  transport::Message finish(const FrameHeader& header) {
    seal_frame(header, message_);
    return std::move(message_);
  }
  // The unsealed frame, for those who fill in more of it.
  transport::Message take() { return std::move(message_); }

 private:
  std::byte* extend(std::size_t bytes) {
    const std::size_t at = message_.size();
    message_.resize(at + bytes);
    return message_.data() + at;
  }

  transport::Message message_;
};

}  // namespace longshore::wire
