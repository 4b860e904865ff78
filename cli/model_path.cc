#include "cli/model_path.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <span>

#include "runtime/base/sha256.h"

namespace longshore::cli {
namespace {

const char* set_variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

// Where deploy/models/fetch (in Python) sees it, too: a service or a container may run without HOME.
std::filesystem::path user_cache() {
  if (const char* cache = set_variable("XDG_CACHE_HOME")) return cache;
  if (const char* home = set_variable("HOME")) return std::filesystem::path(home) / ".cache";
  const passwd* user = getpwuid(getuid());
  return std::filesystem::path(user != nullptr ? user->pw_dir : "/") / ".cache";
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
  const char* chosen = set_variable("LONGSHORE_MODELS");
  const std::filesystem::path folder = chosen != nullptr ? chosen : user_cache() / "longshore" / "models";
  const std::filesystem::path cached = folder / (model + ".gguf");
  if (model.find('/') == std::string::npos && std::filesystem::is_regular_file(cached, ignored)) return cached.string();
  return make_error(ErrorCode::kNotFound, "no model file '", model, "', and none named so at ", cached.string(),
                    "; fetch it with: ", fetch_script(), " ", model);
}

std::string weight_cache_of(const std::string& model_path) {
  const char* chosen = std::getenv("LONGSHORE_WEIGHTS");
  const std::filesystem::path folder = chosen != nullptr ? chosen : user_cache() / "longshore" / "weights";
  if (folder.empty()) return {};
  std::error_code ignored;
  const std::filesystem::path real = std::filesystem::canonical(model_path, ignored);
  const std::string text = real.string();
  const std::string place = to_hex(sha256(std::as_bytes(std::span(text)))).substr(0, 16);  // many folders have files of one name
  return folder / real.stem().concat("-").concat(place).concat(".weights");
}

}  // namespace longshore::cli
