#include "runtime/text/byte_alphabet.h"

#include <array>

#include "runtime/text/utf8.h"

namespace longshore::text {
namespace {

constexpr std::uint32_t kFirstSubstitute = 0x100;
constexpr std::uint32_t kSubstitutes = 68;  // 33 controls and space, 34 of 0x7F..0xA0, and the soft hyphen

constexpr bool stands_for_itself(std::uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct Alphabet {
  std::array<std::string, 256> characters;
  std::array<std::uint8_t, kFirstSubstitute + kSubstitutes> bytes{};
};

const Alphabet& alphabet() {
  static const Alphabet built = [] {
    Alphabet result;
    std::uint32_t substitute = kFirstSubstitute;
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t code = stands_for_itself(byte) ? byte : substitute++;
      append_utf8(code, result.characters[byte]);
      result.bytes[code] = static_cast<std::uint8_t>(byte);
    }
    return result;
  }();
  return built;
}

}  // namespace

std::string_view alphabet_character(std::uint8_t byte) { return alphabet().characters[byte]; }

std::optional<std::uint8_t> alphabet_byte(std::uint32_t code) {
  const bool known = stands_for_itself(code) ||
                     (code >= kFirstSubstitute && code < kFirstSubstitute + kSubstitutes);
  if (!known) return std::nullopt;
  return alphabet().bytes[code];
}

std::string decode_alphabet(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character character = read_character_leniently(text);
    const std::size_t bytes = character.bytes == 0 ? 1 : character.bytes;
    const std::optional<std::uint8_t> byte =
        character.bytes == 0 ? std::nullopt : alphabet_byte(character.code);
    if (byte) {
      out.push_back(static_cast<char>(*byte));
    } else {
      out.append(text.substr(0, bytes));
    }
    text.remove_prefix(bytes);
  }
  return out;
}

}  // namespace longshore::text
