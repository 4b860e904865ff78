#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/sha256.h"
#include "runtime/kernels/weight_format.h"

namespace longshore::model {

// Types of metadata values, numbered as in the file.
enum class GgufType : std::uint32_t {
  kUint8, kInt8, kUint16, kInt16, kUint32, kInt32, kFloat32, kBool, kString, kArray, kUint64, kInt64, kFloat64,
};

std::string_view to_string(GgufType type);

// One metadata pair. `bytes` is the value as stored: of an array all its elements, of a string its characters.
struct GgufEntry {
  std::string_view key;
  GgufType type = GgufType::kUint8;
  GgufType element = GgufType::kUint8;  // of an array, else equal to `type`
  std::uint64_t count = 1;              // elements of an array
  std::span<const std::byte> bytes;     // not aligned
};

// One tensor. The first of `extents` runs fastest: a weight matrix that maps K inputs to N outputs has extents
// {K, N, 1, 1}, and each of its `rows()` is `row_elements()` = K consecutive weights of one output.
struct GgufTensor {
  std::string_view name;
  unsigned rank = 1;                               // extents beyond it are 1
  std::array<std::uint64_t, 4> extents{1, 1, 1, 1};  // in elements, each at least 1
  kernels::WeightFormat format{};
  std::span<const std::byte> bytes;  // whole blocks, aligned as the file says (32 by default)

  std::uint64_t row_elements() const { return extents[0]; }
  std::uint64_t rows() const { return extents[1] * extents[2] * extents[3]; }
  std::uint64_t elements() const { return row_elements() * rows(); }
};

// "[576, 49152]"
std::string shape_to_string(const GgufTensor& tensor);

// A model file in GGUF version 2 or 3, little-endian, mapped read-only. Everything in it is checked when it is opened:
// afterwards every span lies inside the mapping and every tensor has the bytes that its shape and format need.
// Views (keys, names, strings, bytes) live as long as the object. The file must not shrink meanwhile.
// Errors: kNotFound where there is no such file, kFailedPrecondition where it cannot be read, kInvalidArgument for
// contents that are wrong or not supported; the text names file, field, value and limit.
// Thread: immutable, thread-safe.
// Source: the GGUF specification (ggml, docs/gguf.md).
class GgufFile {
 public:
  static constexpr std::uint64_t kEntriesMax = 65536;
  static constexpr std::uint64_t kTensorsMax = 65536;
  static constexpr std::uint64_t kKeyBytesMax = 65535;       // the specification's limit
  static constexpr std::uint64_t kTensorNameBytesMax = 256;  // the specification says 64; writers have exceeded it
  static constexpr std::uint64_t kElementsMax = std::uint64_t{1} << 40;  // of one tensor
  static constexpr std::uint32_t kAlignmentMax = 65536;

  static Result<std::unique_ptr<GgufFile>> open(const std::filesystem::path& path);
  // The same over bytes in memory, which must outlive the object; `name` stands in error texts. Tensor bytes are as
  // aligned as these bytes are.
  static Result<std::unique_ptr<GgufFile>> parse(std::string name, std::span<const std::byte> bytes);
  ~GgufFile();
  GgufFile(const GgufFile&) = delete;
  GgufFile& operator=(const GgufFile&) = delete;

  const std::string& name() const { return name_; }  // the path
  std::uint64_t size() const { return bytes_.size(); }
  std::uint32_t version() const { return version_; }
  std::span<const GgufEntry> entries() const { return entries_; }      // in file order
  std::span<const GgufTensor> tensors() const { return tensors_; }     // in file order

  const GgufEntry* find(std::string_view key) const;             // nullptr where absent
  const GgufTensor* find_tensor(std::string_view name) const;    // nullptr where absent
  Result<const GgufTensor*> tensor(std::string_view name) const;  // kNotFound where absent

  // The value of `key` as T: bool, std::uint32_t, std::uint64_t, float, std::string_view, and of arrays
  // std::vector of std::string_view, std::int32_t, std::uint32_t, float or bool. Integers are taken from any integer
  // type, where T holds the value; floats from both float types.
  // Errors: kNotFound where absent, kInvalidArgument for another type or a value out of range.
  template <typename T>
  Result<T> get(std::string_view key) const;

  // The same with a value for a key that is absent; a value of another type is still an error.
  template <typename T>
  Result<T> get_or(std::string_view key, T absent) const {
    return find(key) == nullptr ? Result<T>(std::move(absent)) : get<T>(key);
  }

  // Of the whole file. The first call reads all of it (1 to 5 s per GB, by the CPU), later ones cost nothing.
  const Sha256& sha256() const;
  // Takes the word of whoever hashed the file in the state in which it is, instead of reading it. Requires: sha256() was
  // not called yet.
  void assume_sha256(const Sha256& digest);

  // Gives the mapping's memory back to the system: what is looked at later is read again from the file. For when the
  // tensors have been converted, so that they do not count twice.
  void release_pages() const;

 private:
  class Parser;
  GgufFile(std::string name, std::span<const std::byte> bytes, bool mapped);

  std::string name_;
  std::span<const std::byte> bytes_;
  bool mapped_;
  std::uint32_t version_ = 0;
  std::vector<GgufEntry> entries_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> entry_index_;
  std::unordered_map<std::string_view, std::size_t> tensor_index_;
  mutable std::once_flag hashed_;
  mutable Sha256 digest_{};
};

}  // namespace longshore::model
