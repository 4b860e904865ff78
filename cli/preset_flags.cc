#include "cli/preset_flags.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string_view>

#include "cli/cluster_flags.h"

namespace longshore::cli {
namespace {

constexpr std::size_t kFileBytesMax = 1u << 20;

bool is_file(const std::string& name) { return name.ends_with(".toml"); }

// Reads the file into the catalog; the preset's name.
Result<std::string> add_file(const std::string& path, retrieval::PresetCatalog& catalog) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return make_error(ErrorCode::kNotFound, "--preset: cannot read ", path);
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kFileBytesMax)
    return make_error(ErrorCode::kInvalidArgument, path, " is larger than ", kFileBytesMax, " bytes; it is no preset");
  Result<retrieval::Preset> preset = retrieval::parse_preset(text, path);
  if (!preset) return preset.error();
  const std::string name = preset->name;
  if (Result<void> added = catalog.add(std::move(*preset)); !added)
    return make_error(ErrorCode::kInvalidArgument, path, ": ", added.error().message);
  return name;
}

// "NAME:a=1,b=2".
Result<PresetChoice> parse_choice(const std::string& text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  PresetChoice choice{text.substr(0, colon), {}};
  std::string_view rest = std::string_view(text).substr(std::min(colon + 1, text.size()));
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    const std::size_t equals = std::min(one.find('='), one.size());
    const std::string_view number = one.substr(std::min(equals + 1, one.size()));
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (equals == 0 || error != std::errc() || end != number.data() + number.size())
      return make_error(ErrorCode::kInvalidArgument, "--preset: \"", std::string(one), "\" is not PARAMETER=NUMBER");
    choice.parameters[std::string(one.substr(0, equals))] = value;
  }
  return choice;
}

}  // namespace

void add_preset_flag(CLI::App& app, PresetFlags& flags) {
  with_environment(app.add_option("--preset", flags.preset,
                                  "Attention: NAME or FILE.toml, perhaps :PARAMETER=NUMBER,... "
                                  "(`longshore presets` lists them)"))
      ->capture_default_str();
}

void add_preset_server_flags(CLI::App& app, PresetFlags& flags) {
  with_environment(app.add_option("--preset", flags.preset,
                                  "Attention of requests that do not choose: NAME or FILE.toml, perhaps :PARAMETER=NUMBER,... "
                                  "(`longshore presets` lists them)"))
      ->capture_default_str();
  with_environment(app.add_option("--preset-file", flags.files, "A further preset that requests may choose; may be repeated"));
  with_environment(app.add_option("--allow-preset", flags.allowed,
                                  "Requests may choose only these, by NAME; may be repeated. Without it, all"));
}

Result<Presets> Presets::create(const PresetFlags& flags) {
  Presets presets;
  for (const std::string& path : flags.files)
    if (Result<std::string> added = add_file(path, presets.catalog_); !added) return added.error();
  Result<PresetChoice> choice = parse_choice(flags.preset);
  if (!choice) return choice.error();
  if (is_file(choice->preset)) {
    Result<std::string> added = add_file(choice->preset, presets.catalog_);
    if (!added) return added.error();
    choice->preset = *added;
  }
  Result<HeadPlan> heads = presets.catalog_.resolve(*choice);
  if (!heads) return make_error(heads.error().code, "--preset: ", heads.error().message);
  presets.default_heads_ = std::move(*heads);
  if (flags.allowed.empty()) return presets;
  if (Result<void> allowed = presets.catalog_.allow_only(flags.allowed); !allowed)
    return make_error(allowed.error().code, "--allow-preset: ", allowed.error().message);
  return presets;
}

Result<HeadPlan> Presets::resolve(const PresetChoice& choice) const {
  if (choice.preset.empty()) return default_heads_;
  return catalog_.resolve(choice);
}

}  // namespace longshore::cli
