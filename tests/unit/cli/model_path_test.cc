#include "cli/model_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

namespace longshore::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ModelPathTest : public testing::Test {
 protected:
  ModelPathTest() {
    for (Variable& variable : variables_)
      if (const char* value = std::getenv(variable.name)) variable.before = value;
    for (const Variable& variable : variables_) unsetenv(variable.name);
  }
  ~ModelPathTest() override {
    for (const Variable& variable : variables_)
      variable.before ? setenv(variable.name, variable.before->c_str(), 1) : unsetenv(variable.name);
  }
  static std::string looked_at() { return find_model("no-such-model").error().message; }

  struct Variable {
    const char* name;
    std::optional<std::string> before;
  };
  Variable variables_[4] = {{"HOME", {}}, {"XDG_CACHE_HOME", {}}, {"LONGSHORE_MODELS", {}}, {"LONGSHORE_WEIGHTS", {}}};
};

TEST_F(ModelPathTest, IsInTheUsersCache) {
  setenv("HOME", "/somewhere", 1);
  EXPECT_THAT(looked_at(), HasSubstr(" /somewhere/.cache/longshore/models/no-such-model.gguf;"));
  EXPECT_THAT(weight_cache_of("/a/model.gguf"), StartsWith("/somewhere/.cache/longshore/weights/"));
  setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_THAT(looked_at(), HasSubstr(" /cache/longshore/models/no-such-model.gguf;"));
  EXPECT_THAT(weight_cache_of("/a/model.gguf"), StartsWith("/cache/longshore/weights/"));
}

TEST_F(ModelPathTest, IsInTheAccountsFolderWhereNoVariableNamesOne) {
  const passwd* user = getpwuid(getuid());
  ASSERT_NE(user, nullptr);
  const std::string expected = std::string(user->pw_dir) + "/.cache/longshore/models/no-such-model.gguf;";
  EXPECT_THAT(looked_at(), HasSubstr(expected));
  setenv("HOME", "", 1);
  setenv("XDG_CACHE_HOME", "", 1);
  setenv("LONGSHORE_MODELS", "", 1);
  EXPECT_THAT(looked_at(), HasSubstr(expected));
}

TEST_F(ModelPathTest, VariablesNameEachFolder) {
  setenv("LONGSHORE_MODELS", "/models", 1);
  setenv("LONGSHORE_WEIGHTS", "/weights", 1);
  EXPECT_THAT(looked_at(), HasSubstr(" /models/no-such-model.gguf;"));
  EXPECT_THAT(weight_cache_of("/a/model.gguf"), StartsWith("/weights/"));
  setenv("LONGSHORE_WEIGHTS", "", 1);
  EXPECT_THAT(weight_cache_of("/a/model.gguf"), IsEmpty());
}

}  // namespace
}  // namespace longshore::cli
