#include "cli/config_file.h"

#include <cstdlib>
#include <sstream>
#include <toml++/toml.h>

namespace longshore::cli {
namespace {

// The value as it would stand on the command line; nothing for a table, a date, or an array.
std::optional<std::string> as_argument(const toml::node& value) {
  if (const auto text = value.value_exact<std::string>()) return *text;
  if (const auto flag = value.value_exact<bool>()) return *flag ? "true" : "false";
  if (!value.is_number()) return std::nullopt;
  std::ostringstream out;
  if (const auto number = value.value_exact<std::int64_t>()) out << *number;
  else out << value.value<double>().value_or(0);
  return out.str();
}

bool is_set_in_environment(const CLI::Option& option) {
  if (option.get_envname().empty()) return false;
  const char* value = std::getenv(option.get_envname().c_str());
  return value != nullptr && *value != '\0';
}

// Reads the sections of one file; the first thing that is wrong stays as the error.
class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  // `items` is null where only the names are looked at: another command is being run.
  void read(const toml::table& table, const CLI::App& app, const std::vector<std::string>& parents,
            std::vector<CLI::ConfigItem>* items) {
    const std::string section = parents.empty() ? "" : "[" + parents.back() + "] ";
    for (const auto& [key, value] : table) {
      if (parents.empty() && value.is_table()) continue;
      const std::string name(key.str());
      const CLI::Option* option = app.get_option_no_throw("--" + name);
      if (option == nullptr && name == "MODEL") option = app.get_option_no_throw(name);
      if (option == nullptr || !option->get_configurable()) {
        refuse(section + name + ": there is no such flag; `longshore " + (parents.empty() ? "" : parents.back() + " ") +
               "--help` lists them");
        continue;
      }
      const std::optional<std::string> argument = as_argument(value);
      if (!argument) refuse(section + name + ": it must be a text, a number, true or false");
      else if (items != nullptr && !is_set_in_environment(*option)) items->push_back({parents, name, {*argument}});
    }
  }

  void refuse(const std::string& what) {
    if (!error_) error_ = make_error(ErrorCode::kInvalidArgument, file_, ": ", what);
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  std::string file_;
  std::optional<Error> error_;
};

}  // namespace

std::vector<CLI::ConfigItem> ConfigFile::from_config(std::istream& input) const {
  const std::vector<std::string> files = program_.get_config_ptr()->results();
  Reader reader(files.empty() ? "--config" : files.back());
  std::vector<CLI::ConfigItem> values;
  try {
    const toml::table file = toml::parse(input);
    reader.read(file, program_, {}, &values);
    for (const auto& [key, value] : file) {
      if (!value.is_table()) continue;
      const std::string name(key.str());
      const std::vector<const CLI::App*> commands =
          program_.get_subcommands([&name](const CLI::App* command) { return command->get_name() == name; });
      if (commands.empty()) reader.refuse("[" + name + "]: there is no such command");
      else reader.read(*value.as_table(), *commands[0], {name}, commands[0]->parsed() ? &values : nullptr);
    }
  } catch (const toml::parse_error& wrong) {
    std::ostringstream where;
    where << wrong.source().begin;
    reader.refuse(where.str() + ": " + std::string(wrong.description()));
  }
  error_ = reader.error();
  if (error_) values.clear();
  return values;
}

}  // namespace longshore::cli
