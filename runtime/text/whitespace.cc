#include "runtime/text/whitespace.h"

#include <cstdint>

#include "runtime/text/utf8.h"

namespace longshore::text {
namespace {

bool is_white_space(std::uint32_t code) {
  return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000;
}

std::size_t last_character_begin(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<std::uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
  return begin;
}

}  // namespace

std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character first = read_character_leniently(text);
    if (first.bytes == 0 || !is_white_space(first.code)) break;
    text.remove_prefix(first.bytes);
  }
  return strip_end(text);
}

std::string_view strip_end(std::string_view text) {
  while (!text.empty()) {
    const std::size_t begin = last_character_begin(text);
    const Utf8Character last = read_character_leniently(text.substr(begin));
    if (last.bytes != text.size() - begin || !is_white_space(last.code)) break;
    text.remove_suffix(last.bytes);
  }
  return text;
}

}  // namespace longshore::text
