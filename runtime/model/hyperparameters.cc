#include "runtime/model/hyperparameters.h"

#include <algorithm>

#include "runtime/model/gguf_parser.h"

namespace longshore::model {

template <typename T>
std::optional<T> Hyperparameters::take(std::string_view key) {
  const std::string full = name(key);
  known_.insert(full);
  if (failed() || file_.find(full) == nullptr) return std::nullopt;
  auto value = file_.get<T>(full);
  if (value) return *std::move(value);
  error_ = value.error();
  return std::nullopt;
}

void Hyperparameters::require(std::string_view key) {
  if (!has(key)) fail("has no metadata key ", name(key));
}

std::optional<std::uint32_t> Hyperparameters::take_count(std::string_view key) {
  const GgufEntry* const entry = file_.find(name(key));
  if (entry == nullptr || entry->type != GgufType::kArray) return take<std::uint32_t>(key);
  const auto values = take<std::vector<std::uint32_t>>(key);
  if (!values) return std::nullopt;
  if (values->empty() || std::any_of(values->begin(), values->end(), [&](auto v) { return v != values->front(); })) {
    fail(name(key), " differs from layer to layer, which is not supported");
    return std::nullopt;
  }
  return values->front();
}

std::uint32_t Hyperparameters::count(std::string_view key, std::uint32_t min, std::uint32_t max) {
  require(key);
  return count_or(key, min, min, max);
}

std::uint32_t Hyperparameters::count_or(std::string_view key, std::uint32_t absent, std::uint32_t min,
                                        std::uint32_t max) {
  const auto value = take_count(key);
  if (!value) return absent;
  if (*value < min || *value > max) {
    fail(name(key), " is ", *value, "; it must be in [", min, ", ", max, "]");
    return absent;
  }
  return *value;
}

float Hyperparameters::number(std::string_view key, float min, float max) {
  require(key);
  return number_or(key, min, min, max);
}

float Hyperparameters::number_or(std::string_view key, float absent, float min, float max) {
  const auto value = take<float>(key);
  if (!value) return absent;
  if (!(*value >= min && *value <= max)) {
    fail(name(key), " is ", *value, "; it must be in [", min, ", ", max, "]");
    return absent;
  }
  return *value;
}

std::string Hyperparameters::text_or(std::string_view key, std::string_view absent) {
  return std::string(take<std::string_view>(key).value_or(absent));
}

void Hyperparameters::must_be(std::string_view key, bool value) {
  if (take<bool>(key).value_or(value) != value)
    fail(name(key), " is ", value ? "false" : "true", ", which is not supported");
}

void Hyperparameters::must_be(std::string_view key, std::uint32_t value) {
  const auto found = take_count(key);
  if (found.value_or(value) != value) fail(name(key), " is ", *found, ", which is not supported; only ", value, " is");
}

void Hyperparameters::must_be(std::string_view key, float value) {
  const auto found = take<float>(key);
  if (!(found.value_or(value) == value)) fail(name(key), " is ", *found, ", which is not supported; only ", value, " is");
}

void Hyperparameters::ignore(std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys) known_.insert(name(key));
}

Result<void> Hyperparameters::finish() {
  const std::string start = prefix_ + ".";
  for (const GgufEntry& entry : file_.entries())
    if (entry.key.starts_with(start) && !known_.contains(std::string(entry.key)))
      fail("metadata key ", printable(entry.key), " is not known to this runtime, and might change the results");
  if (error_) return *error_;
  return {};
}

}  // namespace longshore::model
