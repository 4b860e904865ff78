#pragma once

#include "runtime/base/ids.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace longshore::gateway {

// Writes one JSON text, in order. Numbers are the shortest that read back as the same float; strings that are
// no UTF-8 get U+FFFD. The caller keeps begin and end in pairs and writes a key before each value of an
// object. One thread.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view text);
  JsonWriter& number(std::int64_t value);
  JsonWriter& number(float value);  // null where it is not finite: JSON has no such numbers
  JsonWriter& number(double value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& tokens(std::span<const TokenId> tokens);

  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string text_;
  bool value_before_ = false;  // a comma is due before the next key or value
};

}  // namespace longshore::gateway
