#include "scheduler/gateway/json_writer.h"

#include "transport/http/message.h"

#include <array>
#include <charconv>
#include <cmath>

namespace longshore::gateway {
namespace {

// 32 characters hold the shortest form of any double (at most 24) and any 64-bit integer (20).
template <typename Number>
void append_number(std::string& out, Number value) {
  std::array<char, 32> digits;
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
}

}  // namespace

void JsonWriter::separate() {
  if (value_before_) text_ += ',';
  value_before_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  text_ += bracket;
  value_before_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  text_ += bracket;
  value_before_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  http::append_json_string(text_, name);
  text_ += ':';
  value_before_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  separate();
  http::append_json_string(text_, text);
  return *this;
}

JsonWriter& JsonWriter::number(std::int64_t value) {
  separate();
  append_number(text_, value);
  return *this;
}

JsonWriter& JsonWriter::number(float value) {
  if (!std::isfinite(value)) return null();
  separate();
  append_number(text_, value);
  return *this;
}

JsonWriter& JsonWriter::number(double value) {
  if (!std::isfinite(value)) return null();
  separate();
  append_number(text_, value);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) {
  separate();
  text_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  separate();
  text_ += "null";
  return *this;
}

JsonWriter& JsonWriter::tokens(std::span<const TokenId> tokens) {
  begin_array();
  for (const TokenId token : tokens) number(std::int64_t{token});
  return end_array();
}

}  // namespace longshore::gateway
