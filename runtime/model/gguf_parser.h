#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/model/gguf.h"

namespace longshore::model {

// Text from a file, fit for an error message: at most 80 characters, others than printable ASCII as '?'.
std::string printable(std::string_view text);

// Bytes of a scalar type; 0 for strings and arrays.
std::size_t scalar_bytes(GgufType type);

// Reads the header of a GGUF file into `file`, front to back. Believes no length or count before it has compared it with
// the bytes that are left, so memory stays proportional to the file. One use.
class GgufFile::Parser {
 public:
  explicit Parser(GgufFile& file) : file_(file) {}
  Result<void> parse();

 private:
  Result<void> read_header();
  Result<void> read_entry(std::uint64_t index);
  Result<void> read_value(GgufEntry& entry);
  Result<void> read_array(GgufEntry& entry);
  Result<std::string_view> read_string(std::string_view what, std::uint64_t bytes_max);
  Result<void> read_alignment();
  Result<void> read_tensor(std::uint64_t index);
  Result<void> read_shape(GgufTensor& tensor);
  Result<void> read_format(GgufTensor& tensor);
  Result<void> place_tensors();
  Result<void> place(GgufTensor& tensor, std::uint64_t offset, std::span<const std::byte> data);

  template <typename T>
  Result<T> read(std::string_view what) {
    T value;
    if (left() < sizeof(T)) return too_short(what, sizeof(T));
    std::memcpy(&value, file_.bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  std::uint64_t left() const { return file_.bytes_.size() - position_; }
  Error too_short(std::string_view what, std::uint64_t wanted) const;
  template <typename... Parts>
  Error error(const Parts&... parts) const {
    return make_error(ErrorCode::kInvalidArgument, file_.name_, ": ", parts...);
  }

  GgufFile& file_;
  std::uint64_t position_ = 0;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t entry_count_ = 0;
  std::uint32_t alignment_ = 32;
  std::vector<std::uint64_t> offsets_;  // of the tensors, from the start of the data
};

}  // namespace longshore::model
