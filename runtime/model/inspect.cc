#include "runtime/model/inspect.h"

#include <algorithm>
#include <boost/json.hpp>
#include <iomanip>
#include <map>
#include <sstream>
#include <vector>

#include "runtime/text/utf8.h"

namespace longshore::model {
namespace {

namespace json = boost::json;

constexpr Dtype kKvTypes[] = {Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kQ8_0};
constexpr std::size_t kTextShown = 120;  // characters of a value; chat templates run to thousands

struct FormatTotal {
  std::uint64_t tensors = 0, elements = 0, bytes = 0;
};

std::map<std::string_view, FormatTotal> totals_by_format(const GgufFile& file) {
  std::map<std::string_view, FormatTotal> totals;
  for (const GgufTensor& tensor : file.tensors()) {
    FormatTotal& total = totals[to_string(tensor.format)];
    total.tensors += 1;
    total.elements += tensor.elements();
    total.bytes += tensor.bytes.size();
  }
  return totals;
}

std::uint64_t parameter_count(const GgufFile& file) {
  std::uint64_t count = 0;
  for (const GgufTensor& tensor : file.tensors()) count += tensor.elements();
  return count;
}

// Bytes that are no UTF-8, and control characters, as '?': neither a terminal nor JSON should get them.
std::string clean(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const text::Utf8Prefix character = text::read_prefix(bytes);
    const bool control = static_cast<unsigned char>(bytes[0]) < ' ' || bytes[0] == '\x7f';
    if (character.state == text::Utf8Prefix::State::kWhole && !control) out += bytes.substr(0, character.bytes);
    else out += '?';
    bytes.remove_prefix(character.bytes);
  }
  return out;
}

json::value value_of(const GgufFile& file, const GgufEntry& entry) {
  using enum GgufType;
  switch (entry.type) {
    case kArray: return json::object{{"array", std::string(to_string(entry.element))}, {"count", entry.count}};
    case kString: return json::string(clean(*file.get<std::string_view>(entry.key)));
    case kBool: return *file.get<bool>(entry.key);
    case kFloat32: case kFloat64: {
      const auto value = file.get<float>(entry.key);
      return value ? json::value(*value) : json::value(nullptr);
    }
    default: break;
  }
  if (const auto value = file.get<std::uint64_t>(entry.key)) return *value;
  // A negative integer, of as many bytes as its type has.
  std::int64_t value = static_cast<std::int8_t>(entry.bytes.back()) < 0 ? -1 : 0;
  std::copy(entry.bytes.begin(), entry.bytes.end(), reinterpret_cast<std::byte*>(&value));
  return value;
}

std::string value_text(const GgufFile& file, const GgufEntry& entry) {
  std::ostringstream out;
  if (entry.type == GgufType::kArray) {
    out << "[" << entry.count << " x " << to_string(entry.element) << "]";
  } else if (entry.type == GgufType::kString) {
    const auto text = *file.get<std::string_view>(entry.key);
    out << clean(text.substr(0, kTextShown));
    if (text.size() > kTextShown) out << "... (" << text.size() << " bytes)";
  } else {
    out << value_of(file, entry);
  }
  return std::move(out).str();
}

std::string windows_text(const ModelConfig& c) {
  const auto windowed = std::count_if(c.window.begin(), c.window.end(), [](auto w) { return w != 0; });
  if (windowed == 0) return "all layers see the whole context";
  std::ostringstream out;
  out << windowed << " layers see " << *std::max_element(c.window.begin(), c.window.end()) << " tokens, "
      << c.layers - windowed << " the whole context";
  return std::move(out).str();
}

void describe_config(std::ostream& out, const ModelConfig& c) {
  out << "\nmodel        " << to_string(c.architecture) << ", " << c.layers << " layers, " << c.embedding
      << " embedding, " << c.feed_forward << " feed-forward, " << c.vocabulary << " vocabulary\n"
      << "heads        " << c.query_heads << " query, " << c.kv_heads << " key/value, of " << c.head_dim << "\n"
      << "attention    " << windows_text(c) << "\n"
      << "rope         " << (c.rope_kind == RopeKind::kNorm ? "neighbours" : "halves") << ", base " << c.rope.base
      << (c.rope == c.rope_local ? "" : ", base " + std::to_string(static_cast<long>(c.rope_local.base)) + " in windows")
      << "\ncontext      " << c.context_length << " tokens\n"
      << "KV a token   ";
  for (Dtype type : kKvTypes)
    out << to_string(type) << " " << kv_bytes_per_token(c, type) << (type == Dtype::kQ8_0 ? " bytes\n" : ", ");
}

json::object config_json(const ModelConfig& c) {
  json::object kv;
  for (Dtype type : kKvTypes) kv[to_string(type)] = kv_bytes_per_token(c, type);
  json::array window(c.window.begin(), c.window.end());
  return {{"architecture", to_string(c.architecture)}, {"layers", c.layers}, {"embedding", c.embedding},
          {"feed_forward", c.feed_forward}, {"vocabulary", c.vocabulary}, {"query_heads", c.query_heads},
          {"kv_heads", c.kv_heads}, {"head_dim", c.head_dim}, {"context_length", c.context_length},
          {"rms_epsilon", c.rms_epsilon}, {"rope_base", c.rope.base}, {"rope_base_local", c.rope_local.base},
          {"window", std::move(window)}, {"tied_embeddings", c.tied_embeddings},
          {"kv_bytes_per_token", std::move(kv)}};
}

}  // namespace

std::uint64_t kv_bytes_per_token(const ModelConfig& config, Dtype dtype) {
  const std::uint64_t values = 2 * std::uint64_t{config.layers} * config.kv_heads * config.head_dim;
  switch (dtype) {
    case Dtype::kF32: return values * 4;
    case Dtype::kF16: case Dtype::kBF16: return values * 2;
    case Dtype::kQ8_0: return values / 32 * 34;  // a scale of two bytes per 32
  }
  return 0;
}

std::string describe(const GgufFile& file) {
  std::ostringstream out;
  out << file.name() << "\nGGUF version " << file.version() << ", " << file.size() << " bytes, "
      << file.tensors().size() << " tensors, " << parameter_count(file) << " parameters\nSHA-256 "
      << to_hex(file.sha256()) << "\n\n";
  for (const GgufEntry& entry : file.entries())
    out << std::left << std::setw(44) << clean(entry.key) << " " << value_text(file, entry) << "\n";
  out << "\n" << std::left << std::setw(8) << "format" << std::right << std::setw(8) << "tensors" << std::setw(16)
      << "elements" << std::setw(16) << "bytes" << "\n";
  for (const auto& [name, total] : totals_by_format(file))
    out << std::left << std::setw(8) << name << std::right << std::setw(8) << total.tensors << std::setw(16)
        << total.elements << std::setw(16) << total.bytes << "\n";
  const auto config = parse_model_config(file);
  if (config) describe_config(out, *config);
  else out << "\nnot supported: " << config.error().message << "\n";
  return out.str();
}

std::string describe_json(const GgufFile& file) {
  json::object metadata;
  for (const GgufEntry& entry : file.entries()) metadata[clean(entry.key)] = value_of(file, entry);
  json::array formats, tensors;
  for (const auto& [name, total] : totals_by_format(file))
    formats.push_back(json::object{
        {"name", name}, {"tensors", total.tensors}, {"elements", total.elements}, {"bytes", total.bytes}});
  for (const GgufTensor& tensor : file.tensors())
    tensors.push_back(json::object{{"name", clean(tensor.name)},
                                   {"format", to_string(tensor.format)},
                                   {"shape", json::array(tensor.extents.begin(), tensor.extents.begin() + tensor.rank)},
                                   {"bytes", tensor.bytes.size()}});
  json::object out{{"path", clean(file.name())},
                   {"sha256", to_hex(file.sha256())},
                   {"version", file.version()},
                   {"bytes", file.size()},
                   {"parameters", parameter_count(file)},
                   {"metadata", std::move(metadata)},
                   {"formats", std::move(formats)},
                   {"tensors", std::move(tensors)}};
  const auto config = parse_model_config(file);
  if (config) out["config"] = config_json(*config);
  else out["unsupported"] = clean(config.error().message);
  return json::serialize(out);
}

}  // namespace longshore::model
