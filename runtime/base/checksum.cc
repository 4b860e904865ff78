#include "runtime/base/checksum.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace longshore {
namespace {

constexpr std::uint64_t kPrime1 = 0x9e3779b185ebca87u;
constexpr std::uint64_t kPrime2 = 0xc2b2ae3d27d4eb4fu;
constexpr std::uint64_t kPrime3 = 0x165667b19e3779f9u;
constexpr std::uint64_t kPrime4 = 0x85ebca77c2b2ae63u;
constexpr std::uint64_t kPrime5 = 0x27d4eb2f165667c5u;
constexpr std::size_t kStripe = 32;

std::uint64_t load64(const std::byte* p) {
  std::uint64_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

std::uint64_t round(std::uint64_t lane, std::uint64_t input) {
  return std::rotl(lane + input * kPrime2, 31) * kPrime1;
}

std::uint64_t merge(std::uint64_t hash, std::uint64_t lane) {
  return (hash ^ round(0, lane)) * kPrime1 + kPrime4;
}

// The whole stripes of `bytes`; returns how much they are.
std::size_t consume(std::uint64_t (&lanes)[4], std::span<const std::byte> bytes) {
  std::uint64_t a = lanes[0], b = lanes[1], c = lanes[2], d = lanes[3];
  const std::byte* p = bytes.data();
  const std::size_t whole = bytes.size() / kStripe * kStripe;
  for (const std::byte* end = p + whole; p != end; p += kStripe) {
    a = round(a, load64(p));
    b = round(b, load64(p + 8));
    c = round(c, load64(p + 16));
    d = round(d, load64(p + 24));
  }
  lanes[0] = a, lanes[1] = b, lanes[2] = c, lanes[3] = d;
  return whole;
}

}  // namespace

void ChecksumStream::update(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  total_ += bytes.size();
  if (rest_size_ > 0) {
    const std::size_t more = std::min(kStripe - rest_size_, bytes.size());
    std::memcpy(rest_ + rest_size_, bytes.data(), more);
    rest_size_ += more;
    bytes = bytes.subspan(more);
    if (rest_size_ < kStripe) return;
    consume(lanes_, rest_);
    rest_size_ = 0;
  }
  bytes = bytes.subspan(consume(lanes_, bytes));
  if (!bytes.empty()) std::memcpy(rest_, bytes.data(), bytes.size());
  rest_size_ = bytes.size();
}

std::uint64_t ChecksumStream::finish() const {
  std::uint64_t hash = kPrime5;
  if (total_ >= kStripe) {
    hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) +
           std::rotl(lanes_[3], 18);
    for (const std::uint64_t lane : lanes_) hash = merge(hash, lane);
  }
  hash += total_;
  const std::byte* p = rest_;
  const std::byte* end = rest_ + rest_size_;
  for (; end - p >= 8; p += 8) hash = std::rotl(hash ^ round(0, load64(p)), 27) * kPrime1 + kPrime4;
  if (end - p >= 4) {
    std::uint32_t word;
    std::memcpy(&word, p, sizeof word);
    hash = std::rotl(hash ^ word * kPrime1, 23) * kPrime2 + kPrime3;
    p += 4;
  }
  for (; p != end; ++p) hash = std::rotl(hash ^ std::to_integer<std::uint64_t>(*p) * kPrime5, 11) * kPrime1;
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

std::uint64_t checksum(std::span<const std::byte> bytes) {
  ChecksumStream stream;
  stream.update(bytes);
  return stream.finish();
}

}  // namespace longshore
