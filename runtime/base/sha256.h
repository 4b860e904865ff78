#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace longshore {

using Sha256 = std::array<std::uint8_t, 32>;

// SHA-256 of a byte stream (FIPS 180-4, by OpenSSL). One thread.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  Sha256 finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256 sha256(std::span<const std::byte> bytes);
std::string to_hex(const Sha256& digest);
// Nothing unless `text` is 64 digits as to_hex writes them.
std::optional<Sha256> sha256_from_hex(std::string_view text);

}  // namespace longshore
