#include "cli/model_path.h"

#include <cstdlib>
#include <filesystem>
#include <span>

#include "runtime/base/sha256.h"

namespace longshore::cli {
namespace {

// `variable` names the folder, or it is `name` in the user's cache.
std::filesystem::path cache_folder(const char* variable, const char* name) {
  if (const char* folder = std::getenv(variable)) return folder;
  if (const char* cache = std::getenv("XDG_CACHE_HOME")) return std::filesystem::path(cache) / "longshore" / name;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : ".") / ".cache" / "longshore" / name;
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
  const std::filesystem::path cached = cache_folder("LONGSHORE_MODELS", "models") / (model + ".gguf");
  if (model.find('/') == std::string::npos && std::filesystem::is_regular_file(cached, ignored)) return cached.string();
  return make_error(ErrorCode::kNotFound, "no model file '", model, "', and none named so at ", cached.string(),
                    "; fetch it with: ", fetch_script(), " ", model);
}

std::string weight_cache_of(const std::string& model_path) {
  const std::filesystem::path folder = cache_folder("LONGSHORE_WEIGHTS", "weights");
  if (folder.empty()) return {};
  std::error_code ignored;
  const std::filesystem::path real = std::filesystem::canonical(model_path, ignored);
  const std::string text = real.string();
  const std::string place = to_hex(sha256(std::as_bytes(std::span(text)))).substr(0, 16);  // many folders have files of one name
  return folder / real.stem().concat("-").concat(place).concat(".weights");
}

}  // namespace longshore::cli
