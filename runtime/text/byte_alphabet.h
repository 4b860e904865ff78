#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace longshore::text {

// GPT-2's alphabet of 256 printable characters, one per byte: printable Latin-1 bytes stand for themselves, the
// others for U+0100 and up, in order. Source: Radford et al. 2019, bytes_to_unicode.

// The character of a byte, as UTF-8 (one or two bytes).
std::string_view alphabet_character(std::uint8_t byte);

// The byte that a character stands for, if it is one of the 256.
std::optional<std::uint8_t> alphabet_byte(std::uint32_t code);

// The bytes that a token of a byte-level vocabulary stands for. Characters outside the alphabet stay as they are.
std::string decode_alphabet(std::string_view text);

}  // namespace longshore::text
