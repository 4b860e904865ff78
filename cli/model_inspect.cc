// `longshore model inspect FILE`: what a model file holds.
#include <cstdio>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/model_path.h"
#include "runtime/model/gguf.h"
#include "runtime/model/inspect.h"

namespace longshore::cli {
namespace {

Result<void> inspect(const std::string& model, bool json) {
  const Result<std::string> path = find_model(model);
  if (!path) return path.error();
  const Result<std::unique_ptr<model::GgufFile>> file = model::GgufFile::open(*path);
  if (!file) return file.error();
  std::printf("%s\n", (json ? model::describe_json(**file) : model::describe(**file)).c_str());
  return {};
}

}  // namespace

Run add_model(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("model", "Look at model files");
  CLI::App* command = subcommand->add_subcommand("inspect", "Print metadata, tensors and KV size of a GGUF file");
  subcommand->require_subcommand(1);
  auto model = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  command->add_option("FILE", *model, "Path of a GGUF file, or a NAME that deploy/models/fetch knows")->required();
  command->add_flag("--json", *json, "As one JSON object");
  return [model, json] {
    const Result<void> done = inspect(*model, *json);
    return done ? 0 : fail(done.error());
  };
}

}  // namespace longshore::cli
