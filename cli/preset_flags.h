#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/retrieval/preset.h"

namespace longshore::cli {

// Which attention a command runs, or a server offers.
struct PresetFlags {
  std::string preset = "full";       // NAME[:PARAMETER=NUMBER,...], the NAME perhaps a FILE.toml
  std::vector<std::string> files;    // more presets
  std::vector<std::string> allowed;  // names; none: all
};
void add_preset_flag(CLI::App& app, PresetFlags& flags);
// And what bounds the choice of requests.
void add_preset_server_flags(CLI::App& app, PresetFlags& flags);

// The presets that the flags offer, and which of them is taken where nobody chooses. Immutable; thread-safe.
class Presets {
 public:
  // Errors: kNotFound, kInvalidArgument naming the flag or the file.
  static Result<Presets> create(const PresetFlags& flags);

  const HeadPlan& default_heads() const { return default_heads_; }
  // The default's where the choice names no preset. Errors: those of PresetCatalog::resolve.
  Result<HeadPlan> resolve(const PresetChoice& choice) const;

 private:
  retrieval::PresetCatalog catalog_;
  HeadPlan default_heads_;
};

}  // namespace longshore::cli
