#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/config_file.h"
#include "cli/version.h"
#include "runtime/base/log.h"

namespace longshore::cli {

int fail(const Error& error) {
  std::fprintf(stderr, "longshore: %s\n", error.message.c_str());
  return error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kNotFound ? 2 : 1;
}

namespace {

int run(int argc, char** argv) {
  CLI::App program("Longshore serves long-context language models: weights on compute nodes, the KV cache and the "
                   "attention over it on attention nodes.");
  program.name("longshore");
  program.set_version_flag("--version", std::string(kVersion));
  program.require_subcommand(1);
  program.set_config("--config", "", "TOML file with flags as keys, in a section named after the command")
      ->envname("LONGSHORE_CONFIG");
  const auto config = std::make_shared<ConfigFile>(program);
  program.config_formatter(config);
  std::string log_level = "info";
  program.add_option("--log-level", log_level, "trace, debug, info, warn, error or off")
      ->envname("LONGSHORE_LOG_LEVEL")
      ->capture_default_str()
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));

  struct Command {
    CLI::App* app = nullptr;
    Run run;
  };
  std::vector<Command> commands;
  for (AddCommand add : {add_serve, add_scheduler, add_compute, add_attention, add_complete, add_chat, add_bench,
                         add_eval, add_explain, add_logits, add_presets, add_model}) {
    Command command;
    command.run = add(program, command.app);
    command.app->fallthrough();
    commands.push_back(std::move(command));
  }
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // the library's way to end, also after --help
    if (config->error()) return fail(*config->error());
    return program.exit(error);
  }
  if (config->error()) return fail(*config->error());
  log::start("longshore", log_level);
  for (const Command& command : commands)
    if (command.app->parsed()) return command.run();
  return 2;
}

}  // namespace
}  // namespace longshore::cli

int main(int argc, char** argv) { return longshore::cli::run(argc, argv); }
