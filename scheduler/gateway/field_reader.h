#pragma once

#include "runtime/base/ids.h"
#include "scheduler/gateway/openai_request.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace longshore::gateway {

// The body as a JSON object. Errors (400): not JSON, not UTF-8, not an object, deeper than kJsonDepthMax,
// more than kJsonValuesMax values.
Parsed<boost::json::object> parse_object(std::string_view body);

// Reads typed fields of one object; null is the same as absent. The first field that is wrong is kept as the
// error, with its name, value and range; reading goes on harmlessly after it. One thread; `object` outlives
// it.
class FieldReader {
 public:
  // `path` goes before names in errors: "messages[2]." for fields of that element.
  explicit FieldReader(const boost::json::object& object, std::string path = {})
      : object_(object), path_(std::move(path)) {}

  const boost::json::value* find(std::string_view name) const;  // null: absent

  bool boolean(std::string_view name, bool fallback);
  std::string string(std::string_view name);
  float number(std::string_view name, float fallback, float low, float high);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t low, std::int64_t high);
  std::vector<TokenId> tokens(std::string_view name, std::uint32_t vocabulary);

  void refuse(std::string_view name, std::string message);
  // "<path><name> is <value>; it must be <range>"
  void refuse_value(std::string_view name, const boost::json::value& value, std::string_view range);

  std::string full_name(std::string_view name) const { return path_ + std::string(name); }
  const std::optional<http::ApiError>& error() const { return error_; }

 private:
  const boost::json::object& object_;
  std::string path_;
  std::optional<http::ApiError> error_;
};

// The ids of a JSON array, or nothing where an element is no integer in [0, vocabulary).
std::optional<std::vector<TokenId>> to_tokens(const boost::json::array& array, std::uint32_t vocabulary);

}  // namespace longshore::gateway
