#include "transport/wire/reader.h"

#include <algorithm>
#include <utility>

namespace longshore::wire {

bool Reader::take(std::string_view field, std::size_t size) {
  if (bad_) return false;
  if (size > left()) {
    refuse(make_error(ErrorCode::kInvalidArgument, what_, ": ends inside ", field, " (", size,
                      " bytes wanted at ", at_, ", ", left(), " left)"));
    return false;
  }
  at_ += size;
  return true;
}

std::uint32_t Reader::count(std::string_view field, std::uint32_t most, std::size_t least_bytes) {
  const std::uint32_t value = in_range<std::uint32_t>(field, 0, most);
  if (!bad_ && value > left() / std::max<std::size_t>(least_bytes, 1)) {
    refuse(make_error(ErrorCode::kInvalidArgument, what_, ": ", field, " is ", value, ", but only ", left(),
                      " bytes follow"));
  }
  return bad_ ? 0 : value;
}

std::string Reader::text(std::string_view field, std::uint32_t most) {
  const std::span<const std::byte> bytes = view(field, count(field, most, 1));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::span<const std::byte> Reader::view(std::string_view field, std::size_t size) {
  if (!take(field, size)) return {};
  return bytes_.subspan(at_ - size, size);
}

void Reader::align(std::size_t alignment) {
  const std::size_t padding = (alignment - at_ % alignment) % alignment;
  for (const std::byte b : view("padding", padding)) {
    if (b != std::byte{0}) refuse(make_error(ErrorCode::kInvalidArgument, what_, ": padding is not zero"));
  }
}

void Reader::refuse(Error error) {
  if (bad_) return;
  bad_ = true;
  error_ = std::move(error);
}

Result<void> Reader::finish() {
  if (!bad_ && left() > 0)
    refuse(make_error(ErrorCode::kInvalidArgument, what_, ": ", left(), " bytes too many"));
  if (bad_) return error_;
  return {};
}

}  // namespace longshore::wire
