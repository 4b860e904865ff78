#include "runtime/model/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace longshore::model {
namespace {

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF" read as little-endian
constexpr std::uint64_t kEntryBytesMin = 8 + 4 + 1;
constexpr std::uint64_t kTensorBytesMin = 8 + 4 + 8 + 4 + 8;

// Names of the types that exist elsewhere and that this runtime does not compute with.
constexpr std::pair<std::uint32_t, std::string_view> kOtherTensorTypes[] = {
    {9, "Q8_1"},   {15, "Q8_K"},   {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"},
    {21, "IQ3_S"}, {22, "IQ2_S"},  {23, "IQ4_XS"},  {24, "I8"},     {25, "I16"},     {26, "I32"},   {27, "I64"},
    {28, "F64"},   {29, "IQ1_M"},  {34, "TQ1_0"},   {35, "TQ2_0"},  {39, "MXFP4"},   {40, "NVFP4"}, {41, "Q1_0"}};

std::string_view other_tensor_type(std::uint32_t type) {
  for (const auto& [number, name] : kOtherTensorTypes)
    if (number == type) return name;
  return "unknown";
}

bool all_are_booleans(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b <= std::byte{1}; });
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t kShown = 80;
  std::string out(text.substr(0, kShown));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  if (text.size() > kShown) out += "...";
  return out;
}

std::size_t scalar_bytes(GgufType type) {
  using enum GgufType;
  switch (type) {
    case kUint8: case kInt8: case kBool: return 1;
    case kUint16: case kInt16: return 2;
    case kUint32: case kInt32: case kFloat32: return 4;
    case kUint64: case kInt64: case kFloat64: return 8;
    case kString: case kArray: return 0;
  }
  return 0;
}

Error GgufFile::Parser::too_short(std::string_view what, std::uint64_t wanted) const {
  return error(what, " at byte ", position_, " needs ", wanted, " bytes, and the file ends after ", left(),
               "; it is truncated or damaged, fetch it again");
}

Result<void> GgufFile::Parser::parse() {
  if (auto ok = read_header(); !ok) return ok;
  for (std::uint64_t i = 0; i < entry_count_; ++i)
    if (auto ok = read_entry(i); !ok) return ok;
  if (auto ok = read_alignment(); !ok) return ok;
  for (std::uint64_t i = 0; i < tensor_count_; ++i)
    if (auto ok = read_tensor(i); !ok) return ok;
  return place_tensors();
}

Result<void> GgufFile::Parser::read_header() {
  const auto magic = read<std::uint32_t>("magic");
  if (!magic) return magic.error();
  if (*magic != kMagic) return error("does not start with \"GGUF\": not a GGUF file");
  const auto version = read<std::uint32_t>("version");
  if (!version) return version.error();
  if ((*version & 0xffff) == 0 && *version != 0)
    return error("is a big-endian GGUF file; only little-endian ones are read");
  if (*version != 2 && *version != 3) return error("GGUF version ", *version, " is not supported; 2 and 3 are");
  file_.version_ = *version;

  const auto tensors = read<std::uint64_t>("tensor count");
  if (!tensors) return tensors.error();
  const auto entries = read<std::uint64_t>("metadata count");
  if (!entries) return entries.error();
  if (*entries > kEntriesMax) return error("metadata count ", *entries, " is above the limit ", kEntriesMax);
  if (*tensors > kTensorsMax) return error("tensor count ", *tensors, " is above the limit ", kTensorsMax);
  if (*entries * kEntryBytesMin + *tensors * kTensorBytesMin > left())
    return error(*entries, " metadata entries and ", *tensors, " tensors do not fit into the ", left(),
                 " bytes that follow; the file is truncated or damaged, fetch it again");
  tensor_count_ = *tensors;
  entry_count_ = *entries;
  return {};
}

Result<std::string_view> GgufFile::Parser::read_string(std::string_view what, std::uint64_t bytes_max) {
  const auto bytes = read<std::uint64_t>(what);
  if (!bytes) return bytes.error();
  if (*bytes > left()) return too_short(what, *bytes);
  if (*bytes > bytes_max) return error(what, " of ", *bytes, " bytes is above the limit ", bytes_max);
  const std::string_view text(reinterpret_cast<const char*>(file_.bytes_.data()) + position_, *bytes);
  position_ += *bytes;
  return text;
}

Result<void> GgufFile::Parser::read_entry(std::uint64_t index) {
  GgufEntry entry;
  const auto key = read_string("metadata key", kKeyBytesMax);
  if (!key) return key.error();
  if (key->empty()) return error("the key of metadata entry ", index, " is empty");
  entry.key = *key;
  const auto type = read<std::uint32_t>("metadata type");
  if (!type) return type.error();
  if (*type > static_cast<std::uint32_t>(GgufType::kFloat64))
    return error("metadata ", printable(entry.key), " has unknown type ", *type);
  entry.type = entry.element = static_cast<GgufType>(*type);
  if (auto ok = read_value(entry); !ok) return ok;
  if (!file_.entry_index_.emplace(entry.key, file_.entries_.size()).second)
    return error("metadata key ", printable(entry.key), " occurs twice");
  file_.entries_.push_back(entry);
  return {};
}

Result<void> GgufFile::Parser::read_value(GgufEntry& entry) {
  if (entry.type == GgufType::kArray) return read_array(entry);
  if (entry.type == GgufType::kString) {
    const auto text = read_string(printable(entry.key), ~std::uint64_t{0});
    if (!text) return text.error();
    entry.bytes = std::as_bytes(std::span(text->data(), text->size()));
    return {};
  }
  const std::size_t bytes = scalar_bytes(entry.type);
  if (bytes > left()) return too_short(printable(entry.key), bytes);
  entry.bytes = file_.bytes_.subspan(position_, bytes);
  position_ += bytes;
  if (entry.type == GgufType::kBool && !all_are_booleans(entry.bytes))
    return error("metadata ", printable(entry.key), " is a boolean that is neither 0 nor 1");
  return {};
}

Result<void> GgufFile::Parser::read_array(GgufEntry& entry) {
  const std::string name = printable(entry.key);
  const auto type = read<std::uint32_t>(name);
  if (!type) return type.error();
  if (*type > static_cast<std::uint32_t>(GgufType::kFloat64))
    return error("metadata ", name, " is an array of unknown type ", *type);
  entry.element = static_cast<GgufType>(*type);
  if (entry.element == GgufType::kArray) return error("metadata ", name, " is an array of arrays, which is not supported");
  const auto count = read<std::uint64_t>(name);
  if (!count) return count.error();
  // A string takes at least the 8 bytes of its length.
  const std::uint64_t element_bytes = entry.element == GgufType::kString ? 8 : scalar_bytes(entry.element);
  if (*count > left() / element_bytes)
    return error("metadata ", name, " claims ", *count, " elements, more than the ", left(),
                 " bytes that follow can hold; the file is truncated or damaged, fetch it again");
  entry.count = *count;
  const std::uint64_t begin = position_;
  if (entry.element == GgufType::kString) {
    for (std::uint64_t i = 0; i < *count; ++i)
      if (const auto text = read_string(name, ~std::uint64_t{0}); !text) return text.error();
  } else {
    position_ += *count * element_bytes;
  }
  entry.bytes = file_.bytes_.subspan(begin, position_ - begin);
  if (entry.element == GgufType::kBool && !all_are_booleans(entry.bytes))
    return error("metadata ", name, " holds a boolean that is neither 0 nor 1");
  return {};
}

Result<void> GgufFile::Parser::read_alignment() {
  const auto alignment = file_.get_or<std::uint32_t>("general.alignment", 32);
  if (!alignment) return alignment.error();
  if (*alignment < 8 || *alignment > kAlignmentMax || !std::has_single_bit(*alignment))
    return error("general.alignment is ", *alignment, "; it must be a power of two in [8, ", kAlignmentMax, "]");
  alignment_ = *alignment;
  return {};
}

Result<void> GgufFile::Parser::read_tensor(std::uint64_t index) {
  GgufTensor tensor;
  const auto name = read_string("tensor name", kTensorNameBytesMax);
  if (!name) return name.error();
  if (name->empty()) return error("the name of tensor ", index, " is empty");
  tensor.name = *name;
  if (auto ok = read_shape(tensor); !ok) return ok;
  if (auto ok = read_format(tensor); !ok) return ok;
  const auto offset = read<std::uint64_t>("tensor offset");
  if (!offset) return offset.error();
  offsets_.push_back(*offset);
  if (!file_.tensor_index_.emplace(tensor.name, file_.tensors_.size()).second)
    return error("tensor name ", printable(tensor.name), " occurs twice");
  file_.tensors_.push_back(tensor);
  return {};
}

Result<void> GgufFile::Parser::read_shape(GgufTensor& tensor) {
  const auto rank = read<std::uint32_t>("tensor rank");
  if (!rank) return rank.error();
  if (*rank < 1 || *rank > tensor.extents.size())
    return error("tensor ", printable(tensor.name), " has ", *rank, " dimensions; 1 to ", tensor.extents.size(),
                 " are supported");
  tensor.rank = *rank;
  std::uint64_t elements = 1;
  for (unsigned i = 0; i < *rank; ++i) {
    const auto extent = read<std::uint64_t>("tensor extent");
    if (!extent) return extent.error();
    if (*extent == 0 || *extent > kElementsMax / elements)
      return error("tensor ", printable(tensor.name), " has extent ", *extent, " in dimension ", i,
                   "; extents are at least 1 and their product at most ", kElementsMax);
    tensor.extents[i] = *extent;
    elements *= *extent;
  }
  return {};
}

Result<void> GgufFile::Parser::read_format(GgufTensor& tensor) {
  const auto type = read<std::uint32_t>("tensor type");
  if (!type) return type.error();
  const auto format = kernels::weight_format_from_ggml(*type);
  if (!format)
    return error("tensor ", printable(tensor.name), " is stored as ", other_tensor_type(*type), " (type ", *type,
                 "), which is not supported; use F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 or Q2_K to Q6_K");
  tensor.format = *format;
  const std::size_t block = kernels::block_elements(*format);
  if (tensor.row_elements() % block != 0)
    return error("tensor ", printable(tensor.name), " ", shape_to_string(tensor), " has rows of ",
                 tensor.row_elements(), " elements, not whole blocks of ", block, " as ", to_string(*format), " needs");
  return {};
}

Result<void> GgufFile::Parser::place_tensors() {
  if (file_.tensors_.empty()) return {};
  const std::uint64_t begin = (position_ + alignment_ - 1) / alignment_ * alignment_;
  if (begin > file_.bytes_.size()) return too_short("tensor data", begin - position_);
  const auto data = file_.bytes_.subspan(begin);
  for (std::size_t i = 0; i < file_.tensors_.size(); ++i)
    if (auto ok = place(file_.tensors_[i], offsets_[i], data); !ok) return ok;

  std::vector<std::size_t> order(file_.tensors_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) { return offsets_[a] < offsets_[b]; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const GgufTensor& before = file_.tensors_[order[i - 1]];
    const GgufTensor& after = file_.tensors_[order[i]];
    if (offsets_[order[i - 1]] + before.bytes.size() > offsets_[order[i]])
      return error("tensors ", printable(before.name), " and ", printable(after.name), " overlap at offset ",
                   offsets_[order[i]]);
  }
  return {};
}

Result<void> GgufFile::Parser::place(GgufTensor& tensor, std::uint64_t offset, std::span<const std::byte> data) {
  const std::uint64_t bytes =
      tensor.elements() / kernels::block_elements(tensor.format) * kernels::block_bytes(tensor.format);
  if (offset % alignment_ != 0)
    return error("tensor ", printable(tensor.name), " lies at offset ", offset, ", not a multiple of the alignment ",
                 alignment_);
  if (offset > data.size() || bytes > data.size() - offset)
    return error("tensor ", printable(tensor.name), " ", shape_to_string(tensor), " ", to_string(tensor.format),
                 " needs bytes ", offset, " to ", offset, " + ", bytes, " of the data, and the file has ", data.size(),
                 "; it is truncated or damaged, fetch it again");
  tensor.bytes = data.subspan(offset, bytes);
  return {};
}

}  // namespace longshore::model
