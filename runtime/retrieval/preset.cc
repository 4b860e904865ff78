#include "runtime/retrieval/preset.h"

#include <algorithm>
#include <optional>
#include <toml++/toml.h>

#include "runtime/base/check.h"
#include "runtime/retrieval/shipped_presets.h"

namespace longshore::retrieval {
namespace {

constexpr std::uint32_t kWindowMax = std::uint32_t{1} << 30;
constexpr std::uint32_t kBudgetMin = SelectionRule::kAlways + SelectionRule::kUnit, kBudgetMax = std::uint32_t{1} << 30;
constexpr std::string_view kBlockMean = "block-mean";
constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kTextBytesMax = 1024;

// Reads one table: every key is asked for, or it does not exist. The first thing that is wrong stays as the error.
class TableReader {
 public:
  TableReader(const toml::table& table, const std::string& file, std::string section)
      : table_(table), file_(file), section_(std::move(section)) {}

  std::string text(std::string_view key) {
    asked_.push_back(key);
    const toml::node* node = table_.get(key);
    const auto value = node == nullptr ? std::nullopt : node->value_exact<std::string>();
    if (!value || value->empty() || value->size() > kTextBytesMax)
      refuse(key, "must be a text of 1 to " + std::to_string(kTextBytesMax) + " bytes");
    return value.value_or("");
  }
  std::uint32_t number(std::string_view key, std::uint32_t min, std::uint32_t max) {
    asked_.push_back(key);
    const toml::node* node = table_.get(key);
    const auto value = node == nullptr ? std::nullopt : node->value_exact<std::int64_t>();
    if (!value || *value < min || *value > max) {
      refuse(key, "must be a whole number in [" + std::to_string(min) + ", " + std::to_string(max) + "]");
      return min;
    }
    return static_cast<std::uint32_t>(*value);
  }
  const toml::table* table(std::string_view key) {
    asked_.push_back(key);
    const toml::node* node = table_.get(key);
    if (node != nullptr && !node->is_table()) refuse(key, "must be a table, [" + std::string(key) + "]");
    return node == nullptr ? nullptr : node->as_table();
  }
  // Errors: the first of those above, or a key that nobody asked for.
  Result<void> finish() {
    for (const auto& [key, value] : table_)
      if (std::find(asked_.begin(), asked_.end(), key.str()) == asked_.end()) refuse(key.str(), "does not exist in a preset");
    if (error_) return *error_;
    return {};
  }

 private:
  void refuse(std::string_view key, const std::string& what) {
    if (!error_) error_ = make_error(ErrorCode::kInvalidArgument, file_, ": ", section_, key, " ", what);
  }

  const toml::table& table_;
  const std::string& file_;
  std::string section_;
  std::vector<std::string_view> asked_;
  std::optional<Error> error_;
};

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// Where a parameter lies in the preset.
std::uint32_t* value_of(Preset& preset, std::string_view parameter) {
  if (parameter == "budget") return &preset.selection.budget;
  return parameter == "sinks" ? &preset.heads.sinks : &preset.heads.window;
}

}  // namespace

std::vector<PresetParameter> parameters_of(const Preset& preset) {
  if (preset.selection.selects())
    return {{"budget", "tokens that a row of the output reads in each head", preset.selection.budget, kBudgetMin, kBudgetMax}};
  if (preset.heads.sees_all()) return {};
  return {{"sinks", "first tokens of the sequence that every row sees", preset.heads.sinks, 0, kLeafTokens},
          {"window", "latest tokens that a row sees, itself among them", preset.heads.window, 1, kWindowMax}};
}

Result<Preset> parse_preset(std::string_view text, const std::string& file) {
  toml::table root;
  try {  // the library's way to refuse
    root = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    return make_error(ErrorCode::kInvalidArgument, file, ", line ", error.source().begin.line, ": ", error.description());
  }
  Preset preset;
  TableReader reader(root, file, "");
  preset.name = reader.text("name");
  preset.paper = reader.text("paper");
  preset.summary = reader.text("summary");
  const toml::table* heads = reader.table("heads");
  const toml::table* selector = reader.table("selector");
  if (Result<void> read = reader.finish(); !read) return read.error();
  if (!is_name(preset.name))
    return make_error(ErrorCode::kInvalidArgument, file, ": name is \"", preset.name, "\"; it must be 1 to ", kNameBytesMax,
                      " of a-z, 0-9 and -");
  if (heads != nullptr && selector != nullptr)
    return make_error(ErrorCode::kInvalidArgument, file,
                      ": [heads] gives every head a window and [selector] an index; a head with a window gets no index");
  if (heads != nullptr) {
    TableReader of_heads(*heads, file, "[heads] ");
    preset.heads.sinks = of_heads.number("sinks", 0, kLeafTokens);
    preset.heads.window = of_heads.number("window", 1, kWindowMax);
    if (Result<void> read = of_heads.finish(); !read) return read.error();
  }
  if (selector != nullptr) {
    TableReader of_selector(*selector, file, "[selector] ");
    const std::string index = of_selector.text("index");
    preset.selection.budget = of_selector.number("budget", kBudgetMin, kBudgetMax);
    if (Result<void> read = of_selector.finish(); !read) return read.error();
    if (index != kBlockMean)
      return make_error(ErrorCode::kInvalidArgument, file, ": [selector] index is \"", index, "\"; there is \"", kBlockMean, "\"");
  }
  return preset;
}

PresetCatalog::PresetCatalog() {
  for (const ShippedPreset& shipped : shipped_presets()) {
    Result<Preset> preset = parse_preset(shipped.toml, std::string(shipped.file));
    CHECK(preset) << preset.error().message;
    presets_.emplace(preset->name, *preset);
  }
}

Result<void> PresetCatalog::add(Preset preset) {
  const std::string name = preset.name;
  if (presets_.emplace(name, std::move(preset)).second) return {};
  return make_error(ErrorCode::kInvalidArgument, "there is a preset \"", name, "\" already; give this one another name");
}

Result<void> PresetCatalog::allow_only(const std::vector<std::string>& names) {
  std::map<std::string, Preset> allowed;
  for (const std::string& name : names) {
    const Preset* preset = find(name);
    if (preset == nullptr)
      return make_error(ErrorCode::kNotFound, "there is no preset \"", name, "\"; there are ", this->names());
    allowed.emplace(name, *preset);
  }
  presets_ = std::move(allowed);
  return {};
}

const Preset* PresetCatalog::find(const std::string& name) const {
  const auto found = presets_.find(name);
  return found == presets_.end() ? nullptr : &found->second;
}

std::string PresetCatalog::names() const {
  std::string all;
  for (const auto& [name, preset] : presets_) all += (all.empty() ? "" : ", ") + name;
  return all;
}

Result<HeadPlan> PresetCatalog::resolve(const PresetChoice& choice) const {
  const Preset* found = find(choice.preset);
  if (found == nullptr)
    return make_error(ErrorCode::kNotFound, "there is no preset \"", choice.preset, "\" here; there are ", names());
  Preset preset = *found;
  const std::vector<PresetParameter> parameters = parameters_of(preset);
  for (const auto& [name, value] : choice.parameters) {
    const auto parameter = std::find_if(parameters.begin(), parameters.end(),
                                        [&name = name](const PresetParameter& one) { return one.name == name; });
    if (parameter == parameters.end())
      return make_error(ErrorCode::kInvalidArgument, "preset \"", preset.name, "\" has no parameter \"", name, "\"");
    if (value < parameter->min || value > parameter->max)
      return make_error(ErrorCode::kInvalidArgument, name, " is ", value, "; it must be in [", parameter->min, ", ",
                        parameter->max, "]");
    *value_of(preset, name) = value;
  }
  if (preset.heads.sees_all()) return HeadPlan{{}, preset.selection};
  return HeadPlan{{preset.heads}};
}

}  // namespace longshore::retrieval
