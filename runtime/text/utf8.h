#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace longshore::text {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD
inline constexpr std::uint32_t kCodePointMax = 0x10FFFF;

// One character read from the front of a text.
struct Utf8Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;  // 0: the bytes are no character
};

// Reads as llama.cpp does, by lead and continuation bits alone: overlong forms and surrogates are characters.
// Requires: !text.empty().
Utf8Character read_character_leniently(std::string_view text);

// How the front of `text` stands to well-formed UTF-8 (Unicode 15, table 3-7).
struct Utf8Prefix {
  enum class State { kWhole, kUnfinished, kIllFormed };
  State state = State::kWhole;
  std::size_t bytes = 0;  // of the character; of its beginning; of the maximal ill-formed part
};
// Requires: !text.empty().
Utf8Prefix read_prefix(std::string_view text);

// Requires: code <= kCodePointMax.
void append_utf8(std::uint32_t code, std::string& out);

}  // namespace longshore::text
