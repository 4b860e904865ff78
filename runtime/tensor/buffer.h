#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "runtime/base/memory_kind.h"
#include "runtime/base/result.h"

namespace longshore {

// Owning, zeroed, 64-byte aligned host memory that asks for 2 MiB pages from 4 MiB on. Move-only.
class Buffer {
 public:
  Buffer() = default;
  // Errors: kResourceExhausted when the system has not that much.
  static Result<Buffer> allocate(std::size_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }
  MemoryKind kind() const { return MemoryKind::kHost; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;
};

}  // namespace longshore
