#include "cli/model_path.h"

#include <cstdlib>
#include <filesystem>

namespace longshore::cli {
namespace {

std::filesystem::path cache_folder() {
  if (const char* folder = std::getenv("LONGSHORE_MODELS")) return folder;
  if (const char* cache = std::getenv("XDG_CACHE_HOME")) return std::filesystem::path(cache) / "longshore" / "models";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : ".") / ".cache" / "longshore" / "models";
}

// The script that fetches models: beside an installed program, or else that of the source tree.
std::string fetch_script() {
  std::error_code ignored;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const std::filesystem::path installed =
      program.parent_path().parent_path() / "share" / "longshore" / "models" / "fetch";
  return std::filesystem::is_regular_file(installed, ignored) ? installed.string() : "deploy/models/fetch";
}

}  // namespace

Result<std::string> find_model(const std::string& model) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(model, ignored)) return model;
  const std::filesystem::path cached = cache_folder() / (model + ".gguf");
  if (model.find('/') == std::string::npos && std::filesystem::is_regular_file(cached, ignored)) return cached.string();
  return make_error(ErrorCode::kNotFound, "no model file '", model, "', and none named so at ", cached.string(),
                    "; fetch it with: ", fetch_script(), " ", model);
}

}  // namespace longshore::cli
