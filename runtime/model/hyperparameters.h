#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/model/gguf.h"

namespace longshore::model {

// Reads the keys `<architecture>.*` of a file in turn. After the first error the rest return what they can, and the
// error stands. Every key must be asked for: `finish` refuses those that nobody knew, as they might change the
// arithmetic. One thread.
class Hyperparameters {
 public:
  Hyperparameters(const GgufFile& file, std::string_view architecture) : file_(file), prefix_(architecture) {}

  // An integer in [min, max]; the first is required. An array (one value per layer) must repeat one value.
  std::uint32_t count(std::string_view key, std::uint32_t min, std::uint32_t max);
  std::uint32_t count_or(std::string_view key, std::uint32_t absent, std::uint32_t min, std::uint32_t max);

  // A finite float in [min, max].
  float number(std::string_view key, float min, float max);
  float number_or(std::string_view key, float absent, float min, float max);

  std::string text_or(std::string_view key, std::string_view absent);
  bool has(std::string_view key) const { return file_.find(name(key)) != nullptr; }

  // Keys that we compute only for one value; another is refused by name.
  void must_be(std::string_view key, bool value);
  void must_be(std::string_view key, std::uint32_t value);
  void must_be(std::string_view key, float value);
  // Keys that do not enter the arithmetic.
  void ignore(std::initializer_list<std::string_view> keys);

  template <typename... Parts>
  void fail(const Parts&... parts) {
    if (!error_) error_ = make_error(ErrorCode::kInvalidArgument, file_.name(), ": ", parts...);
  }
  std::string name(std::string_view key) const { return prefix_ + "." + std::string(key); }
  bool failed() const { return error_.has_value(); }
  // The first error; else one for the first key of the file that was not asked for.
  Result<void> finish();

 private:
  template <typename T>
  std::optional<T> take(std::string_view key);
  std::optional<std::uint32_t> take_count(std::string_view key);
  void require(std::string_view key);

  const GgufFile& file_;
  std::string prefix_;
  std::set<std::string> known_;
  std::optional<Error> error_;
};

}  // namespace longshore::model
