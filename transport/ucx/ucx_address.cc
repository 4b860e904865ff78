#include "transport/ucx/ucx_address.h"

#include "runtime/base/checksum.h"

#include <cstdint>
#include <cstring>

namespace longshore::transport {
namespace {

constexpr std::string_view kPrefix = "ucx1:";
constexpr std::size_t kAddressBytesMax = 16384;  // a machine with dozens of devices has a few KiB
constexpr std::string_view kDigits = "0123456789abcdef";

void append_hex(std::string& text, std::span<const std::byte> bytes) {
  for (const std::byte b : bytes) {
    text += kDigits[std::to_integer<std::size_t>(b) >> 4];
    text += kDigits[std::to_integer<std::size_t>(b) & 15];
  }
}

}  // namespace

std::string to_text(std::span<const std::byte> worker_address) {
  const std::uint64_t sum = longshore::checksum(worker_address);
  std::string text(kPrefix);
  append_hex(text, std::as_bytes(std::span(&sum, 1)));
  append_hex(text, worker_address);
  return text;
}

Result<std::vector<std::byte>> from_text(std::string_view address) {
  const Error refusal =
      make_error(ErrorCode::kInvalidArgument, "\"", address.substr(0, 64),
                 "\" is no address of a UCX node (ucx1: and hex digits), or it was changed");
  if (!address.starts_with(kPrefix)) return refusal;
  address.remove_prefix(kPrefix.size());
  if (address.size() % 2 != 0 || address.size() / 2 > kAddressBytesMax) return refusal;
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < address.size(); i += 2) {
    const std::size_t high = kDigits.find(address[i]), low = kDigits.find(address[i + 1]);
    if (high == kDigits.npos || low == kDigits.npos) return refusal;
    bytes.push_back(static_cast<std::byte>(high << 4 | low));
  }
  std::uint64_t sum = 0;
  if (bytes.size() <= sizeof sum) return refusal;
  std::memcpy(&sum, bytes.data(), sizeof sum);
  bytes.erase(bytes.begin(), bytes.begin() + sizeof sum);
  if (longshore::checksum(bytes) != sum) return refusal;
  return bytes;
}

}  // namespace longshore::transport
