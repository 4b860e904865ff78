#include "runtime/base/sha256.h"

#include <openssl/evp.h>

#include "runtime/base/check.h"

namespace longshore {

struct Sha256Stream::State {
  EVP_MD_CTX* md = nullptr;
  ~State() { EVP_MD_CTX_free(md); }
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  state_->md = EVP_MD_CTX_new();
  CHECK(state_->md != nullptr && EVP_DigestInit_ex(state_->md, EVP_sha256(), nullptr) == 1) << "OpenSSL SHA-256";
}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(std::span<const std::byte> bytes) {
  CHECK(EVP_DigestUpdate(state_->md, bytes.data(), bytes.size()) == 1) << "OpenSSL SHA-256";
}

void Sha256Stream::update(std::string_view text) { update(std::as_bytes(std::span(text))); }

Sha256 Sha256Stream::finish() {
  Sha256 digest{};
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(state_->md, digest.data(), &size) == 1 && size == digest.size()) << "OpenSSL SHA-256";
  return digest;
}

Sha256 sha256(std::span<const std::byte> bytes) {
  Sha256Stream stream;
  stream.update(bytes);
  return stream.finish();
}

std::string to_hex(const Sha256& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (std::uint8_t byte : digest) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::optional<Sha256> sha256_from_hex(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  Sha256 digest{};
  if (text.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = kDigits.find(text[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    digest[i / 2] = static_cast<std::uint8_t>(digest[i / 2] << 4 | digit);
  }
  return digest;
}

}  // namespace longshore
