#include "runtime/text/utf8.h"

#include "runtime/base/check.h"

namespace longshore::text {
namespace {

constexpr std::uint8_t byte_at(std::string_view text, std::size_t index) {
  return static_cast<std::uint8_t>(text[index]);
}

constexpr bool is_continuation(std::uint8_t byte) { return (byte & 0xC0) == 0x80; }

// What may follow a lead byte: the length of the character and the range of its second byte (table 3-7).
struct LeadByte {
  std::size_t length = 0;  // 0: no character begins so
  std::uint8_t second_min = 0x80;
  std::uint8_t second_max = 0xBF;
};

constexpr LeadByte lead_byte(std::uint8_t byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {0};  // continuation bytes, and overlong forms of ASCII
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};  // beyond lie surrogates
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

}  // namespace

Utf8Character read_character_leniently(std::string_view text) {
  const std::uint8_t lead = byte_at(text, 0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 0;
  if (length == 0 || length > text.size()) return {};
  std::uint32_t code = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(byte_at(text, i))) return {};
    code = code << 6 | (byte_at(text, i) & 0x3Fu);
  }
  if (code > kCodePointMax) return {};
  return {code, length};
}

Utf8Prefix read_prefix(std::string_view text) {
  using State = Utf8Prefix::State;
  const LeadByte lead = lead_byte(byte_at(text, 0));
  if (lead.length == 0) return {State::kIllFormed, 1};
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (i == text.size()) return {State::kUnfinished, i};
    const std::uint8_t byte = byte_at(text, i);
    const bool fits = i == 1 ? byte >= lead.second_min && byte <= lead.second_max : is_continuation(byte);
    if (!fits) return {State::kIllFormed, i};
  }
  return {State::kWhole, lead.length};
}

void append_utf8(std::uint32_t code, std::string& out) {
  CHECK(code <= kCodePointMax) << code;
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

}  // namespace longshore::text
