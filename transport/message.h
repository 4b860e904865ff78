#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace longshore::transport {

class MessagePool;

// One message as it lies in memory: owned bytes that start at a multiple of 64, so that float arrays inside
// it can be used in place. Moved into `Transport::send` and out of `Receiver::on_message`: whoever holds it
// may keep it, nothing is copied in between within a process. Its memory goes back to its pool when it ends,
// from any thread.
class Message {
 public:
  Message() = default;
  ~Message();
  Message(Message&& other) noexcept;
  Message& operator=(Message&& other) noexcept;

  std::size_t size() const { return size_; }
  std::byte* data() { return data_; }
  std::span<std::byte> bytes() { return {data_, size_}; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Keeps the first min(old, new) bytes; new bytes are unspecified. Spans taken before are void.
  void resize(std::size_t size);

 private:
  friend class MessagePool;
  struct Store;
  std::shared_ptr<Store> store_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// Keeps the memory of ended messages for the next ones, since a fresh mapping of a reply of several MiB costs
// more in page faults than its transfer. Thread-safe; messages may outlive their pool.
class MessagePool {
 public:
  // Memory that idles in the pool at most; beyond it, ended messages are freed.
  static constexpr std::size_t kIdleBytesMax = std::size_t{64} << 20;

  MessagePool();
  // A message of `size` unspecified bytes.
  Message take(std::size_t size);
  std::size_t idle_bytes() const;

 private:
  std::shared_ptr<Message::Store> store_;
};

}  // namespace longshore::transport
