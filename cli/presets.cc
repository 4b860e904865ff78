// `longshore presets`: which attention methods there are.
#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/command.h"
#include "runtime/retrieval/preset.h"

namespace longshore::cli {
namespace {

namespace json = boost::json;

void print_table(const retrieval::PresetCatalog& catalog) {
  for (const auto& [name, preset] : catalog.presets()) {
    std::printf("%s\n  %s\n  %s\n", name.c_str(), preset.summary.c_str(), preset.paper.c_str());
    for (const retrieval::PresetParameter& parameter : parameters_of(preset))
      std::printf("    %-10s %8u   %s; %u to %u\n", parameter.name.c_str(), parameter.value, parameter.meaning.c_str(),
                  parameter.min, parameter.max);
  }
}

json::array to_json(const retrieval::PresetCatalog& catalog) {
  json::array all;
  for (const auto& [name, preset] : catalog.presets()) {
    json::array parameters;
    for (const retrieval::PresetParameter& parameter : parameters_of(preset))
      parameters.push_back(json::object{{"name", parameter.name},
                                        {"value", parameter.value},
                                        {"min", parameter.min},
                                        {"max", parameter.max},
                                        {"meaning", parameter.meaning}});
    all.push_back(json::object{
        {"name", name}, {"paper", preset.paper}, {"summary", preset.summary}, {"parameters", std::move(parameters)}});
  }
  return all;
}

}  // namespace

Run add_presets(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("presets", "List the attention methods that requests may choose");
  auto as_json = std::make_shared<bool>(false);
  subcommand->add_flag("--json", *as_json, "As one JSON array");
  return [as_json] {
    const retrieval::PresetCatalog catalog;
    if (*as_json) std::printf("%s\n", json::serialize(to_json(catalog)).c_str());
    else print_table(catalog);
    return 0;
  };
}

}  // namespace longshore::cli
