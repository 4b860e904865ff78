#pragma once

#include <CLI/CLI.hpp>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.h"

namespace longshore::cli {

// The file of --config: TOML with a section for each command, and in it the flags' names as keys (MODEL where a command
// takes one). A flag on the command line wins over its environment variable, and that over the file; CLI11 alone would
// have the file win over the variable. Keys and sections that name nothing are errors, also those of other commands.
//
//   [attention]
//   scheduler = "10.0.0.1:8081"
//   memory = "8GiB"
//
// One thread. `program` outlives it.
class ConfigFile final : public CLI::Config {
 public:
  explicit ConfigFile(const CLI::App& program) : program_(program) {}

  // What was wrong with the file; the program must not go on with it. Errors: kInvalidArgument.
  const std::optional<Error>& error() const { return error_; }

  // For CLI11: the values for the command that was given; none if there is an error.
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }

 private:
  const CLI::App& program_;
  mutable std::optional<Error> error_;
};

}  // namespace longshore::cli
