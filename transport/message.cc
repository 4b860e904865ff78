#include "transport/message.h"

#include "runtime/base/check.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

namespace longshore::transport {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kCapacityMin = 256;

// Powers of two, so that a freed message fits the next one of about its size.
std::size_t capacity_for(std::size_t size) { return std::bit_ceil(std::max(size, kCapacityMin)); }

std::size_t exponent(std::size_t capacity) { return static_cast<std::size_t>(std::countr_zero(capacity)); }

std::byte* allocate(std::size_t capacity) {
  void* memory = std::aligned_alloc(kAlignment, capacity);
  CHECK(memory != nullptr) << "out of memory: message of " << capacity << " bytes";
  return static_cast<std::byte*>(memory);
}

}  // namespace

struct Message::Store {
  std::mutex mutex;
  std::array<std::vector<std::byte*>, std::numeric_limits<std::size_t>::digits> idle;  // by the exponent of the capacity
  std::size_t idle_bytes = 0;

  ~Store() {
    for (const std::vector<std::byte*>& blocks : idle)
      for (std::byte* block : blocks) std::free(block);
  }

  std::byte* take(std::size_t capacity) {
    {
      const std::lock_guard lock(mutex);
      std::vector<std::byte*>& blocks = idle[exponent(capacity)];
      if (!blocks.empty()) {
        std::byte* block = blocks.back();
        blocks.pop_back();
        idle_bytes -= capacity;
        return block;
      }
    }
    return allocate(capacity);
  }

  void give_back(std::byte* block, std::size_t capacity) {
    {
      const std::lock_guard lock(mutex);
      if (idle_bytes + capacity <= MessagePool::kIdleBytesMax) {
        idle[exponent(capacity)].push_back(block);
        idle_bytes += capacity;
        return;
      }
    }
    std::free(block);
  }
};

Message::~Message() {
  if (data_ == nullptr) return;
  if (store_ != nullptr)
    store_->give_back(data_, capacity_);
  else
    std::free(data_);
}

Message::Message(Message&& other) noexcept { *this = std::move(other); }

Message& Message::operator=(Message&& other) noexcept {
  std::swap(store_, other.store_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  return *this;
}

void Message::resize(std::size_t size) {
  if (size > capacity_) {
    const std::size_t capacity = capacity_for(size);
    std::byte* grown = store_ != nullptr ? store_->take(capacity) : allocate(capacity);
    if (size_ > 0) std::memcpy(grown, data_, size_);
    std::byte* old = std::exchange(data_, grown);
    const std::size_t old_capacity = std::exchange(capacity_, capacity);
    if (old != nullptr) {
      if (store_ != nullptr)
        store_->give_back(old, old_capacity);
      else
        std::free(old);
    }
  }
  size_ = size;
}

MessagePool::MessagePool() : store_(std::make_shared<Message::Store>()) {}

Message MessagePool::take(std::size_t size) {
  Message message;
  message.store_ = store_;
  message.resize(size);
  return message;
}

std::size_t MessagePool::idle_bytes() const {
  const std::lock_guard lock(store_->mutex);
  return store_->idle_bytes;
}

}  // namespace longshore::transport
