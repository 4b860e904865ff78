#include "runtime/tensor/buffer.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace longshore {
namespace {
constexpr std::size_t kHugePage = std::size_t{2} << 20;
}

Result<Buffer> Buffer::allocate(std::size_t bytes) {
  Buffer buffer;
  if (bytes == 0) return buffer;
  const bool huge = bytes >= 2 * kHugePage;
  const std::size_t unit = huge ? kHugePage : 4096;
  if (bytes > SIZE_MAX - 2 * unit)
    return make_error(ErrorCode::kResourceExhausted, "cannot allocate ", bytes, " bytes");
  const std::size_t rounded = (bytes + unit - 1) / unit * unit;
  const std::size_t mapped = huge ? rounded + kHugePage : rounded;  // room to start at a 2 MiB boundary
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return make_error(ErrorCode::kResourceExhausted, "cannot allocate ", bytes, " bytes: ", std::strerror(errno));
  std::byte* start = static_cast<std::byte*>(memory);
  if (huge) {
    const std::size_t skip = (kHugePage - reinterpret_cast<std::uintptr_t>(start) % kHugePage) % kHugePage;
    if (skip > 0) munmap(start, skip);
    start += skip;
    if (mapped - skip > rounded) munmap(start + rounded, mapped - skip - rounded);
    madvise(start, rounded, MADV_HUGEPAGE);  // a wish: smaller pages are slower, never wrong
  }
  buffer.data_ = start;
  buffer.size_ = bytes;
  buffer.mapped_ = rounded;
  return buffer;
}

Buffer::~Buffer() {
  if (data_ != nullptr) munmap(data_, mapped_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

}  // namespace longshore
