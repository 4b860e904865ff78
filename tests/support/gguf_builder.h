#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernels/weight_format.h"
#include "runtime/model/gguf.h"

namespace longshore::test {

// Writes the bytes of a GGUF file, right or wrong on purpose. Metadata and tensors come out in the order of the calls.
class GgufBuilder {
 public:
  using Bytes = std::vector<std::byte>;
  using Type = model::GgufType;

  template <typename T>
  static void put(Bytes& out, T value) {
    const std::size_t at = out.size();
    out.resize(at + sizeof(T));
    std::memcpy(out.data() + at, &value, sizeof(T));
  }
  static void put_text(Bytes& out, std::string_view text) {
    put<std::uint64_t>(out, text.size());
    for (char c : text) out.push_back(static_cast<std::byte>(c));
  }

  GgufBuilder& uint32(std::string_view key, std::uint32_t value) { return scalar(key, Type::kUint32, value); }
  GgufBuilder& float32(std::string_view key, float value) { return scalar(key, Type::kFloat32, value); }
  GgufBuilder& boolean(std::string_view key, bool value) { return scalar<std::uint8_t>(key, Type::kBool, value); }
  template <typename T>
  GgufBuilder& scalar(std::string_view key, Type type, T value) {
    begin_entry(key, static_cast<std::uint32_t>(type));
    put(entries_, value);
    return *this;
  }
  GgufBuilder& text(std::string_view key, std::string_view value) {
    begin_entry(key, static_cast<std::uint32_t>(Type::kString));
    put_text(entries_, value);
    return *this;
  }
  template <typename T>
  GgufBuilder& array(std::string_view key, Type element, const std::vector<T>& values) {
    begin_array(key, static_cast<std::uint32_t>(element), values.size());
    for (const T& value : values) put(entries_, value);
    return *this;
  }
  GgufBuilder& texts(std::string_view key, const std::vector<std::string>& values) {
    begin_array(key, static_cast<std::uint32_t>(Type::kString), values.size());
    for (const std::string& value : values) put_text(entries_, value);
    return *this;
  }
  // For values that no reader should accept: the type and what follows it, as they stand.
  GgufBuilder& raw(std::string_view key, std::uint32_t type, const Bytes& value = {}) {
    begin_entry(key, type);
    entries_.insert(entries_.end(), value.begin(), value.end());
    return *this;
  }

  // A tensor of `data`, or of zeros, at the next aligned offset.
  GgufBuilder& tensor(std::string_view name, std::vector<std::uint64_t> extents,
                      kernels::WeightFormat format = kernels::WeightFormat::kF32, const Bytes& data = {}) {
    std::uint64_t elements = 1;
    for (std::uint64_t extent : extents) elements *= extent;
    const std::size_t bytes = elements / kernels::block_elements(format) * kernels::block_bytes(format);
    data_.resize((data_.size() + alignment_ - 1) / alignment_ * alignment_);
    raw_tensor(name, extents, kernels::ggml_type(format), data_.size());
    const std::size_t at = data_.size();
    data_.resize(at + bytes);
    std::copy_n(data.begin(), std::min(bytes, data.size()), data_.begin() + static_cast<std::ptrdiff_t>(at));
    return *this;
  }
  GgufBuilder& floats(std::string_view name, std::vector<std::uint64_t> extents, const std::vector<float>& values) {
    Bytes data(values.size() * sizeof(float));
    std::memcpy(data.data(), values.data(), data.size());
    return tensor(name, std::move(extents), kernels::WeightFormat::kF32, data);
  }
  GgufBuilder& raw_tensor(std::string_view name, const std::vector<std::uint64_t>& extents, std::uint32_t type,
                          std::uint64_t offset) {
    put_text(tensors_, name);
    put<std::uint32_t>(tensors_, static_cast<std::uint32_t>(extents.size()));
    for (std::uint64_t extent : extents) put(tensors_, extent);
    put(tensors_, type);
    put(tensors_, offset);
    ++tensor_count_;
    return *this;
  }

  GgufBuilder& version(std::uint32_t value) { return version_ = value, *this; }
  GgufBuilder& alignment(std::uint32_t value) { return alignment_ = value, uint32("general.alignment", value); }
  GgufBuilder& entry_count(std::uint64_t value) { return entry_count_ = value, *this; }    // a lie
  GgufBuilder& tensor_count(std::uint64_t value) { return tensor_count_ = value, *this; }  // a lie

  Bytes build() const {
    Bytes out;
    for (char c : {'G', 'G', 'U', 'F'}) out.push_back(static_cast<std::byte>(c));
    put(out, version_);
    put(out, tensor_count_);
    put(out, entry_count_);
    out.insert(out.end(), entries_.begin(), entries_.end());
    out.insert(out.end(), tensors_.begin(), tensors_.end());
    out.resize((out.size() + alignment_ - 1) / alignment_ * alignment_);
    out.insert(out.end(), data_.begin(), data_.end());
    return out;
  }

 private:
  void begin_entry(std::string_view key, std::uint32_t type) {
    put_text(entries_, key);
    put(entries_, type);
    ++entry_count_;
  }
  void begin_array(std::string_view key, std::uint32_t element, std::uint64_t count) {
    begin_entry(key, static_cast<std::uint32_t>(Type::kArray));
    put(entries_, element);
    put(entries_, count);
  }

  std::uint32_t version_ = 3;
  std::uint32_t alignment_ = 32;
  std::uint64_t entry_count_ = 0;
  std::uint64_t tensor_count_ = 0;
  Bytes entries_, tensors_, data_;
};

}  // namespace longshore::test
