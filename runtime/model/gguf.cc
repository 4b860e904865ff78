#include "runtime/model/gguf.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <concepts>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "runtime/model/gguf_parser.h"

namespace longshore::model {
namespace {

template <typename T>
T load_as(std::span<const std::byte> bytes, std::uint64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

template <typename To, typename From>
std::optional<To> in_range(From value) {
  if (!std::in_range<To>(value)) return std::nullopt;
  return static_cast<To>(value);
}

// Element `index` as an integer; nothing for another kind of type or a value that To does not hold.
template <std::integral To>
std::optional<To> element_as(const GgufEntry& entry, std::uint64_t index) {
  using enum GgufType;
  switch (entry.element) {
    case kUint8: return in_range<To>(load_as<std::uint8_t>(entry.bytes, index));
    case kInt8: return in_range<To>(load_as<std::int8_t>(entry.bytes, index));
    case kUint16: return in_range<To>(load_as<std::uint16_t>(entry.bytes, index));
    case kInt16: return in_range<To>(load_as<std::int16_t>(entry.bytes, index));
    case kUint32: return in_range<To>(load_as<std::uint32_t>(entry.bytes, index));
    case kInt32: return in_range<To>(load_as<std::int32_t>(entry.bytes, index));
    case kUint64: return in_range<To>(load_as<std::uint64_t>(entry.bytes, index));
    case kInt64: return in_range<To>(load_as<std::int64_t>(entry.bytes, index));
    default: return std::nullopt;
  }
}

template <>
std::optional<bool> element_as<bool>(const GgufEntry& entry, std::uint64_t index) {
  if (entry.element != GgufType::kBool) return std::nullopt;
  return load_as<std::uint8_t>(entry.bytes, index) != 0;
}

template <std::same_as<float> To>
std::optional<float> element_as(const GgufEntry& entry, std::uint64_t index) {
  if (entry.element == GgufType::kFloat32) return load_as<float>(entry.bytes, index);
  if (entry.element != GgufType::kFloat64) return std::nullopt;
  const double value = load_as<double>(entry.bytes, index);
  if (value > std::numeric_limits<float>::max() || value < std::numeric_limits<float>::lowest()) return std::nullopt;
  return static_cast<float>(value);
}

template <typename T>
constexpr std::string_view name_of() {
  if constexpr (std::same_as<T, bool>) return "boolean";
  if constexpr (std::same_as<T, float>) return "float";
  if constexpr (std::same_as<T, std::uint32_t>) return "integer in [0, 2^32)";
  if constexpr (std::same_as<T, std::uint64_t>) return "integer in [0, 2^64)";
  if constexpr (std::same_as<T, std::int32_t>) return "integer in [-2^31, 2^31)";
  if constexpr (std::same_as<T, std::string_view>) return "string";
}

// How a T is taken from an entry; nothing where the entry holds something else.
template <typename T>
struct Reader {
  static constexpr std::string_view kArticle = "";
  using Element = T;
  static std::optional<T> read(const GgufEntry& entry) {
    if (entry.type == GgufType::kArray) return std::nullopt;
    return element_as<T>(entry, 0);
  }
};

template <>
struct Reader<std::string_view> {
  static constexpr std::string_view kArticle = "";
  using Element = std::string_view;
  static std::optional<std::string_view> read(const GgufEntry& entry) {
    if (entry.type != GgufType::kString) return std::nullopt;
    return std::string_view(reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size());
  }
};

template <typename T>
struct Reader<std::vector<T>> {
  static constexpr std::string_view kArticle = "array of ";
  using Element = T;
  static std::optional<std::vector<T>> read(const GgufEntry& entry) {
    if (entry.type != GgufType::kArray) return std::nullopt;
    std::vector<T> out;
    out.reserve(entry.count);  // the parser saw that many
    for (std::uint64_t i = 0; i < entry.count; ++i) {
      const auto element = element_as<T>(entry, i);
      if (!element) return std::nullopt;
      out.push_back(*element);
    }
    return out;
  }
};

template <>
struct Reader<std::vector<std::string_view>> {
  static constexpr std::string_view kArticle = "array of ";
  using Element = std::string_view;
  static std::optional<std::vector<std::string_view>> read(const GgufEntry& entry) {
    if (entry.type != GgufType::kArray || entry.element != GgufType::kString) return std::nullopt;
    std::vector<std::string_view> out;
    out.reserve(entry.count);
    const auto* at = reinterpret_cast<const char*>(entry.bytes.data());
    for (std::uint64_t i = 0; i < entry.count; ++i) {
      std::uint64_t bytes;
      std::memcpy(&bytes, at, sizeof(bytes));
      out.emplace_back(at + sizeof(bytes), bytes);
      at += sizeof(bytes) + bytes;
    }
    return out;
  }
};

std::string type_of(const GgufEntry& entry) {
  if (entry.type != GgufType::kArray) return std::string(to_string(entry.type));
  return "array of " + std::string(to_string(entry.element));
}

Error system_error(const std::filesystem::path& path, std::string_view action, int number) {
  const bool missing = number == ENOENT || number == ENOTDIR;
  return make_error(missing ? ErrorCode::kNotFound : ErrorCode::kFailedPrecondition, "cannot ", action, " ",
                    path.string(), ": ", std::generic_category().message(number));
}

// The whole file mapped read-only; empty for an empty one.
Result<std::span<const std::byte>> map_file(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return system_error(path, "open", errno);
  struct stat status {};
  if (::fstat(file, &status) != 0) {
    const int number = errno;
    ::close(file);
    return system_error(path, "read the size of", number);
  }
  if (!S_ISREG(status.st_mode) || status.st_size == 0) {
    ::close(file);
    return make_error(ErrorCode::kInvalidArgument, path.string(), " is ",
                      S_ISREG(status.st_mode) ? "an empty file" : "not a regular file", ", not a GGUF file");
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  const int number = errno;
  ::close(file);
  if (at == MAP_FAILED) return system_error(path, "map", number);
  return std::span(static_cast<const std::byte*>(at), size);
}

}  // namespace

std::string_view to_string(GgufType type) {
  constexpr std::string_view kNames[] = {"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                         "bool",  "string", "array",  "uint64", "int64",  "float64"};
  return kNames[static_cast<std::size_t>(type)];
}

std::string shape_to_string(const GgufTensor& tensor) {
  std::string text = "[";
  for (unsigned i = 0; i < tensor.rank; ++i) text += (i == 0 ? "" : ", ") + std::to_string(tensor.extents[i]);
  return text + "]";
}

GgufFile::GgufFile(std::string name, std::span<const std::byte> bytes, bool mapped)
    : name_(std::move(name)), bytes_(bytes), mapped_(mapped) {}

GgufFile::~GgufFile() {
  if (mapped_) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<std::unique_ptr<GgufFile>> GgufFile::open(const std::filesystem::path& path) {
  const auto bytes = map_file(path);
  if (!bytes) return bytes.error();
  std::unique_ptr<GgufFile> file(new GgufFile(path.string(), *bytes, true));
  if (auto ok = Parser(*file).parse(); !ok) return ok.error();
  return file;
}

Result<std::unique_ptr<GgufFile>> GgufFile::parse(std::string name, std::span<const std::byte> bytes) {
  std::unique_ptr<GgufFile> file(new GgufFile(std::move(name), bytes, false));
  if (auto ok = Parser(*file).parse(); !ok) return ok.error();
  return file;
}

const GgufEntry* GgufFile::find(std::string_view key) const {
  const auto at = entry_index_.find(key);
  return at == entry_index_.end() ? nullptr : &entries_[at->second];
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto at = tensor_index_.find(name);
  return at == tensor_index_.end() ? nullptr : &tensors_[at->second];
}

Result<const GgufTensor*> GgufFile::tensor(std::string_view name) const {
  const GgufTensor* const found = find_tensor(name);
  if (found == nullptr) return make_error(ErrorCode::kNotFound, name_, ": has no tensor ", printable(name));
  return found;
}

template <typename T>
Result<T> GgufFile::get(std::string_view key) const {
  const GgufEntry* const entry = find(key);
  if (entry == nullptr) return make_error(ErrorCode::kNotFound, name_, ": has no metadata key ", printable(key));
  auto value = Reader<T>::read(*entry);
  if (!value)
    return make_error(ErrorCode::kInvalidArgument, name_, ": metadata ", printable(key), " has type ", type_of(*entry),
                      " or a value out of range; needed is ", Reader<T>::kArticle,
                      name_of<typename Reader<T>::Element>());
  return *std::move(value);
}

template Result<bool> GgufFile::get(std::string_view) const;
template Result<std::uint32_t> GgufFile::get(std::string_view) const;
template Result<std::uint64_t> GgufFile::get(std::string_view) const;
template Result<float> GgufFile::get(std::string_view) const;
template Result<std::string_view> GgufFile::get(std::string_view) const;
template Result<std::vector<bool>> GgufFile::get(std::string_view) const;
template Result<std::vector<std::int32_t>> GgufFile::get(std::string_view) const;
template Result<std::vector<std::uint32_t>> GgufFile::get(std::string_view) const;
template Result<std::vector<float>> GgufFile::get(std::string_view) const;
template Result<std::vector<std::string_view>> GgufFile::get(std::string_view) const;

const Sha256& GgufFile::sha256() const {
  std::call_once(hashed_, [this] {
    digest_ = longshore::sha256(bytes_);
    release_pages();
  });
  return digest_;
}

void GgufFile::assume_sha256(const Sha256& digest) {
  std::call_once(hashed_, [&] { digest_ = digest; });
}

void GgufFile::release_pages() const {
  if (mapped_) madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), MADV_DONTNEED);
}

}  // namespace longshore::model
