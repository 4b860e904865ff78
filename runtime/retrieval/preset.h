#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/plan/head_plan.h"
#include "runtime/plan/preset_choice.h"

namespace longshore::retrieval {

// A published attention method as a named combination of parts. The parts that exist so far are the head plan, which
// tokens each head may see, and one selector. docs/presets/ describes the file format and each preset shipped.
struct Preset {
  std::string name;     // 1 to 64 of a-z 0-9 -
  std::string paper;    // authors, year, title, where
  std::string summary;  // one line: what it keeps, what it loses
  HeadRule heads = {};  // of every layer without a window of its own, and of every head
  SelectionRule selection = {};

  bool operator==(const Preset&) const = default;
};

// A number of a preset that a request may change.
struct PresetParameter {
  std::string name;
  std::string meaning;
  std::uint32_t value = 0;  // the preset's own
  std::uint32_t min = 0, max = 0;
};

// None where the preset has nothing to change.
std::vector<PresetParameter> parameters_of(const Preset& preset);

// Reads a preset from TOML. Errors: kInvalidArgument naming `file`, the key, its value and its range; keys that do not exist
// are errors.
Result<Preset> parse_preset(std::string_view toml, const std::string& file);

// The presets of one server, by name. Not changed once it serves; reading is thread-safe.
class PresetCatalog {
 public:
  // With those that are shipped.
  PresetCatalog();

  // Errors: kInvalidArgument (the name is taken).
  Result<void> add(Preset preset);
  // Only these may be chosen from now on. Errors: kNotFound naming those that there are.
  Result<void> allow_only(const std::vector<std::string>& names);

  const std::map<std::string, Preset>& presets() const { return presets_; }
  // Null where there is none of that name.
  const Preset* find(const std::string& name) const;
  // What the rows of a sequence under this choice may see. Errors: kNotFound (no such preset, naming those that there are),
  // kInvalidArgument (no such parameter, or outside its range).
  Result<HeadPlan> resolve(const PresetChoice& choice) const;

 private:
  std::string names() const;

  std::map<std::string, Preset> presets_;
};

}  // namespace longshore::retrieval
