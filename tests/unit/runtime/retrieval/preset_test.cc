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

TEST(PresetTest, ReadsASelector) {
  const std::string head = "name = \"mine\"\npaper = \"Nobody 2026\"\nsummary = \"A test.\"\n";
  const std::string selector = "[selector]\nindex = \"block-mean\"\nbudget = 1024\n";
  const Result<Preset> preset = parse_preset(head + selector, "mine.toml");
  ASSERT_TRUE(preset) << preset.error().message;
  EXPECT_EQ(preset->selection.budget, 1024u);
  EXPECT_EQ(preset->selection.units(), 10u);
  EXPECT_TRUE(preset->heads.sees_all());
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = head + selector;
    return error_of(text.replace(text.find(from), from.size(), to));
  };
  EXPECT_EQ(with("1024", "447"), "mine.toml: [selector] budget must be a whole number in [448, 1073741824]");
  EXPECT_EQ(with("block-mean", "graph"), "mine.toml: [selector] index is \"graph\"; there is \"block-mean\"");
  EXPECT_EQ(with("[selector]", "[heads]\nsinks = 4\nwindow = 8\n[selector]"),
            "mine.toml: [heads] gives every head a window and [selector] an index; a head with a window gets no index");
}

TEST(PresetCatalogTest, ShipsWhatItShould) {
  const PresetCatalog catalog;
  EXPECT_TRUE(catalog.resolve({"full", {}})->sees_all());
  EXPECT_EQ(*catalog.resolve({"window", {}}), (HeadPlan{{{4, 1024}}}));
  EXPECT_EQ(*catalog.resolve({"block-mean", {{"budget", 448}}}), (HeadPlan{{}, {448}}));
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
  EXPECT_NE(unknown.message.find("there are block-mean, full, window"), std::string::npos) << unknown.message;
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
