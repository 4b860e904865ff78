#include "runtime/retrieval/preset.h"

#include <gtest/gtest.h>

namespace longshore::retrieval {
namespace {

constexpr std::string_view kNarrow = R"(
name = "narrow"
paper = "Nobody 2026"
summary = "A test."
[heads]
sinks = 8
window = 256
)";

std::string error_of(std::string_view toml) {
  const Result<Preset> preset = parse_preset(toml, "mine.toml");
  return preset ? "" : preset.error().message;
}

std::string replaced(std::string_view from, std::string_view to) {
  std::string text(kNarrow);
  return text.replace(text.find(from), from.size(), to);
}

TEST(PresetTest, ReadsAFile) {
  const Result<Preset> preset = parse_preset(kNarrow, "mine.toml");
  ASSERT_TRUE(preset) << preset.error().message;
  EXPECT_EQ(*preset, (Preset{"narrow", "Nobody 2026", "A test.", {8, 256}}));
}

TEST(PresetTest, NamesTheFileTheKeyAndTheRange) {
  EXPECT_EQ(error_of(replaced("sinks = 8", "sinks = 129")), "mine.toml: [heads] sinks must be a whole number in [0, 128]");
  EXPECT_EQ(error_of(replaced("window = 256", "window = 0")),
            "mine.toml: [heads] window must be a whole number in [1, 1073741824]");
  EXPECT_EQ(error_of(replaced("window = 256", "window = 1.5")),
            "mine.toml: [heads] window must be a whole number in [1, 1073741824]");
  EXPECT_EQ(error_of(replaced("window = 256", "")), "mine.toml: [heads] window must be a whole number in [1, 1073741824]");
  EXPECT_EQ(error_of(replaced("window = 256", "window = 256\nwindows = 2")),
            "mine.toml: [heads] windows does not exist in a preset");
  EXPECT_EQ(error_of(replaced("paper = \"Nobody 2026\"", "")), "mine.toml: paper must be a text of 1 to 1024 bytes");
  EXPECT_EQ(error_of(replaced("[heads]", "heads = 1\n[head]")), "mine.toml: heads must be a table, [heads]");
  EXPECT_NE(error_of(replaced("narrow", "Narrow")).find("it must be 1 to 64 of a-z, 0-9 and -"), std::string::npos);
  EXPECT_TRUE(error_of("name = ").starts_with("mine.toml, line 1: "));
}

TEST(PresetCatalogTest, ShipsWhatItShould) {
  const PresetCatalog catalog;
  EXPECT_TRUE(catalog.resolve({"full", {}})->sees_all());
  EXPECT_EQ(*catalog.resolve({"window", {}}), (HeadPlan{{{4, 1024}}}));
  for (const auto& [name, preset] : catalog.presets()) {
    EXPECT_NE(preset.paper.find("arXiv"), std::string::npos) << name;
    EXPECT_EQ(parameters_of(preset).empty(), name == "full") << name;
  }
}

TEST(PresetCatalogTest, TakesParametersWithinTheirRanges) {
  const PresetCatalog catalog;
  EXPECT_EQ(*catalog.resolve({"window", {{"window", 100}, {"sinks", 0}}}), (HeadPlan{{{0, 100}}}));
  EXPECT_EQ(catalog.resolve({"window", {{"window", 0}}}).error().message, "window is 0; it must be in [1, 1073741824]");
  EXPECT_EQ(catalog.resolve({"window", {{"budget", 5}}}).error().message, "preset \"window\" has no parameter \"budget\"");
  EXPECT_EQ(catalog.resolve({"full", {{"window", 5}}}).error().message, "preset \"full\" has no parameter \"window\"");
  const Error unknown = catalog.resolve({"windows", {}}).error();
  EXPECT_EQ(unknown.code, ErrorCode::kNotFound);
  EXPECT_NE(unknown.message.find("there are full, window"), std::string::npos) << unknown.message;
}

TEST(PresetCatalogTest, TakesOnesOwnAndIsBoundByTheOperator) {
  PresetCatalog catalog;
  ASSERT_TRUE(catalog.add(*parse_preset(kNarrow, "mine.toml")));
  EXPECT_EQ(*catalog.resolve({"narrow", {}}), (HeadPlan{{{8, 256}}}));
  EXPECT_EQ(catalog.add(*parse_preset(kNarrow, "mine.toml")).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(catalog.allow_only({"narrow", "wide"}).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(catalog.allow_only({"narrow"}));
  EXPECT_TRUE(catalog.resolve({"narrow", {}}));
  EXPECT_EQ(catalog.resolve({"full", {}}).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace longshore::retrieval
