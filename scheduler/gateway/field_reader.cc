#include "scheduler/gateway/field_reader.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <cmath>
#include <utility>

namespace longshore::gateway {
namespace json = boost::json;
namespace {

constexpr std::size_t kShownBytesMax = 80;  // of a wrong value in an error text

std::string shown(const json::value& value) {
  if (const auto* array = value.if_array()) return "an array of " + std::to_string(array->size());
  if (value.is_object()) return "an object";
  if (const auto* text = value.if_string(); text != nullptr && text->size() > kShownBytesMax)
    return "a string of " + std::to_string(text->size()) + " bytes";
  return json::serialize(value);
}

// An upper bound of the values in a JSON text, from its punctuation, so that hostile bodies end before they
// are multiplied by the size of a parsed value.
std::size_t count_values(std::string_view body) {
  std::size_t count = 1;
  bool in_string = false;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (in_string && c == '\\')
      ++i;
    else if (c == '"')
      in_string = !in_string;
    else if (!in_string)
      count += c == ',' || c == '[' || c == '{';
  }
  return count;
}

http::ApiError bad_body(std::string message, std::string code) {
  return {.message = std::move(message), .code = std::move(code)};
}

}  // namespace

Parsed<json::object> parse_object(std::string_view body) {
  if (count_values(body) > kJsonValuesMax)
    return bad_body("the body has more than " + std::to_string(kJsonValuesMax) + " JSON values",
                    "body_too_large");
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::error_code error;
  json::value value = json::parse(body, error, {}, options);
  if (error == json::error::too_deep)
    return bad_body("the body nests deeper than " + std::to_string(kJsonDepthMax) + " levels",
                    "json_too_deep");
  if (error) return bad_body("the body is not valid JSON in UTF-8: " + error.message(), "invalid_json");
  if (!value.is_object()) return bad_body("the body must be a JSON object", "invalid_json");
  return std::move(value.get_object());
}

const json::value* FieldReader::find(std::string_view name) const {
  const json::value* value = object_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

void FieldReader::refuse(std::string_view name, std::string message) {
  if (!error_)
    error_ =
        http::ApiError{.message = std::move(message), .code = "invalid_argument", .param = full_name(name)};
}

void FieldReader::refuse_value(std::string_view name, const json::value& value, std::string_view range) {
  refuse(name, full_name(name) + " is " + shown(value) + "; it must be " + std::string(range));
}

bool FieldReader::boolean(std::string_view name, bool fallback) {
  const json::value* value = find(name);
  if (value == nullptr) return fallback;
  if (value->is_bool()) return value->get_bool();
  refuse_value(name, *value, "true or false");
  return fallback;
}

std::string FieldReader::string(std::string_view name) {
  const json::value* value = find(name);
  if (value == nullptr) return {};
  if (const auto* text = value->if_string()) return std::string(*text);
  refuse_value(name, *value, "a string");
  return {};
}

float FieldReader::number(std::string_view name, float fallback, float low, float high) {
  const json::value* value = find(name);
  if (value == nullptr) return fallback;
  if (value->is_number()) {
    const auto number = value->to_number<double>();
    if (std::isfinite(number) && number >= low && number <= high) return static_cast<float>(number);
  }
  std::string range = "a number in [";
  range += json::serialize(json::value(static_cast<std::int64_t>(low))) + ", ";
  range += json::serialize(json::value(static_cast<std::int64_t>(high))) + "]";
  refuse_value(name, *value, range);
  return fallback;
}

std::optional<std::int64_t> FieldReader::integer(std::string_view name, std::int64_t low, std::int64_t high) {
  const json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  json::error_code error;
  const auto number = value->to_number<std::int64_t>(error);  // also 5.0, not 5.5
  if (!error && number >= low && number <= high) return number;
  refuse_value(name, *value, "an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "]");
  return std::nullopt;
}

std::vector<TokenId> FieldReader::tokens(std::string_view name, std::uint32_t vocabulary) {
  const json::value* value = find(name);
  if (value == nullptr) return {};
  if (const auto* array = value->if_array())
    if (auto tokens = to_tokens(*array, vocabulary)) return std::move(*tokens);
  refuse(name, full_name(name) + " must be an array of token ids in [0, " + std::to_string(vocabulary) + ")");
  return {};
}

std::optional<std::vector<TokenId>> to_tokens(const json::array& array, std::uint32_t vocabulary) {
  std::vector<TokenId> tokens;
  tokens.reserve(array.size());
  for (const json::value& element : array) {
    json::error_code error;
    const auto token = element.is_number() ? element.to_number<std::int64_t>(error) : -1;
    if (error || token < 0 || token >= vocabulary) return std::nullopt;
    tokens.push_back(static_cast<TokenId>(token));
  }
  return tokens;
}

}  // namespace longshore::gateway
