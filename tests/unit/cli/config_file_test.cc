#include "cli/config_file.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "cli/cluster_flags.h"

namespace longshore::cli {
namespace {

// A program of two commands, run with a file and arguments.
class ConfigFileTest : public testing::Test {
 protected:
  ConfigFileTest() {
    program_.set_config("--config");
    auto formatter = std::make_shared<ConfigFile>(program_);
    file_ = formatter.get();
    program_.config_formatter(formatter);
    program_.add_option("--level", level_);
    CLI::App* attention = program_.add_subcommand("attention");
    with_environment(attention->add_option("--memory", memory_));
    attention->add_option("--numa", numa_);
    CLI::App* compute = program_.add_subcommand("compute");
    compute->add_option("MODEL", model_)->required();
    compute->add_flag("--verbose", verbose_);
    unsetenv("LONGSHORE_MEMORY");
  }
  ~ConfigFileTest() override { unsetenv("LONGSHORE_MEMORY"); }

  // The error, or "".
  std::string run(const std::string& text, std::vector<std::string> arguments) {
    const std::string path = testing::TempDir() + "config_file_test.toml";
    std::ofstream(path) << text;
    arguments.insert(arguments.begin(), {"--config", path});
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes a vector
    try {
      program_.parse(arguments);
    } catch (const CLI::ParseError& error) {
      return file_->error() ? file_->error()->message : error.what();
    }
    return file_->error() ? file_->error()->message : "";
  }

  CLI::App program_{"test", "test"};
  ConfigFile* file_ = nullptr;
  std::string level_, memory_ = "1GiB", model_;
  int numa_ = -1;
  bool verbose_ = false;
};

TEST_F(ConfigFileTest, GivesTheCommandThatRunsItsValues) {
  EXPECT_EQ(run("level = \"warn\"\n[attention]\nmemory = \"8GiB\"\nnuma = 1\n[compute]\nMODEL = \"a.gguf\"\n",
                {"attention"}),
            "");
  EXPECT_EQ(level_, "warn");
  EXPECT_EQ(memory_, "8GiB");
  EXPECT_EQ(numa_, 1);
  EXPECT_EQ(model_, "");  // another command's
}

TEST_F(ConfigFileTest, TakesAPositionalArgumentAndAFlag) {
  EXPECT_EQ(run("[compute]\nMODEL = \"a.gguf\"\nverbose = true\n", {"compute"}), "");
  EXPECT_EQ(model_, "a.gguf");
  EXPECT_TRUE(verbose_);
}

TEST_F(ConfigFileTest, AFlagWinsOverAVariableAndThatOverTheFile) {
  const std::string file = "[attention]\nmemory = \"2GiB\"\nnuma = 3\n";
  setenv("LONGSHORE_MEMORY", "4GiB", 1);
  EXPECT_EQ(run(file, {"attention"}), "");
  EXPECT_EQ(memory_, "4GiB");
  EXPECT_EQ(numa_, 3);
  EXPECT_EQ(run(file, {"attention", "--memory", "6GiB", "--numa", "0"}), "");
  EXPECT_EQ(memory_, "6GiB");
  EXPECT_EQ(numa_, 0);
}

TEST_F(ConfigFileTest, NamesWhatItDoesNotKnow) {
  EXPECT_NE(run("[attention]\nmemroy = \"8GiB\"\n", {"attention"}).find("[attention] memroy: there is no such flag"),
            std::string::npos);
  EXPECT_NE(run("[attend]\nmemory = \"8GiB\"\n", {"attention"}).find("[attend]: there is no such command"),
            std::string::npos);
  // Also in the section of a command that is not run.
  EXPECT_NE(run("[compute]\nmemory = \"8GiB\"\n", {"attention"}).find("[compute] memory: there is no such flag"),
            std::string::npos);
}

TEST_F(ConfigFileTest, RefusesValuesThatNoFlagHas) {
  for (const char* value : {"[\"8GiB\"]", "2026-11-23", "{ bytes = 8 }"})
    EXPECT_NE(run(std::string("[attention]\nmemory = ") + value + "\n", {"attention"})
                  .find("[attention] memory: it must be a text, a number, true or false"),
              std::string::npos)
        << value;
}

TEST_F(ConfigFileTest, SaysWhereTheFileIsBroken) {
  const std::string error = run("[attention]\nmemory = \n", {"attention"});
  EXPECT_NE(error.find("config_file_test.toml"), std::string::npos) << error;
  EXPECT_NE(error.find("line 2"), std::string::npos) << error;
}

}  // namespace
}  // namespace longshore::cli
