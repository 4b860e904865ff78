#pragma once

#include "runtime/base/result.h"

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace longshore::wire {

static_assert(std::endian::native == std::endian::little,
              "frames are read in place: a big-endian host needs a copy");

// Takes little-endian fields from bytes that nobody vouches for. The first field that is missing or over its
// limit makes the reader bad: it then hands out zeros, nothing is ever read outside the bytes, and `finish`
// names the field. So a decoder reads straight on and asks once; only counts that size an allocation are
// looked at before (count()).
class Reader {
 public:
  Reader(std::string_view what, std::span<const std::byte> bytes) : what_(what), bytes_(bytes) {}

  template <typename T>
  requires std::is_arithmetic_v<T> T get(std::string_view field) {
    T value{};
    if (take(field, sizeof(T))) std::memcpy(&value, bytes_.data() + at_ - sizeof(T), sizeof(T));
    return value;
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> bytes(std::string_view field) {
    std::array<std::uint8_t, N> value{};
    if (take(field, N)) std::memcpy(value.data(), bytes_.data() + at_ - N, N);
    return value;
  }
  // An integer in [least, most].
  template <std::integral T>
  T in_range(std::string_view field, T least, T most) {
    const T value = get<T>(field);
    if (!bad_ && (value < least || value > most)) {
      refuse(make_error(ErrorCode::kInvalidArgument, what_, ": ", field, " is ", +value, "; it may be ",
                        +least, " to ", +most));
    }
    return bad_ ? least : value;
  }
  bool flag(std::string_view field) { return in_range<std::uint8_t>(field, 0, 1) == 1; }
  // A u32 count of things that take at least `least_bytes` each: no larger than `most`, nor than what is left
  // can hold, so that nobody allocates for what was never sent.
  std::uint32_t count(std::string_view field, std::uint32_t most, std::size_t least_bytes);
  // A u32 length and that many bytes.
  std::string text(std::string_view field, std::uint32_t most);
  // The next bytes themselves. Empty if they are not there.
  std::span<const std::byte> view(std::string_view field, std::size_t size);
  // Goes on at the next multiple of `alignment` from the start; the skipped bytes must be zero.
  void align(std::size_t alignment);

  bool bad() const { return bad_; }
  std::size_t left() const { return bytes_.size() - at_; }
  // A decoder's own rule is broken.
  void refuse(Error error);
  // Everything was there and nothing is left. Errors: kInvalidArgument.
  Result<void> finish();

 private:
  bool take(std::string_view field, std::size_t size);

  std::string_view what_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool bad_ = false;
  Error error_;
};

}  // namespace longshore::wire
