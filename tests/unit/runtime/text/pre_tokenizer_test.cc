#include "runtime/text/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace longshore::text {
namespace {

using testing::ElementsAre;

std::vector<std::string> words(std::string_view family, std::string_view text) {
  const auto pre_tokenizer = PreTokenizer::create(family);
  EXPECT_TRUE(pre_tokenizer);
  const auto split = pre_tokenizer->split(text);
  EXPECT_TRUE(split);
  std::vector<std::string> result;
  std::size_t begin = 0;
  for (const std::size_t end : split->ends) {
    result.push_back(split->text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, split->text.size());
  return result;
}

TEST(PreTokenizerTest, CutsAsTheFamilySays) {
  EXPECT_THAT(words("gpt-2", "It's 1234  times\n\n!"), ElementsAre("It", "'s", " 1234", " ", " times", "\n", "\n", "!"));
  EXPECT_THAT(words("smollm", "v 12"), ElementsAre("v", " ", "1", "2"));
  EXPECT_THAT(words("qwen2", "IT'S (x) 12\r\n\r\n y"), ElementsAre("IT", "'S", " (", "x", ")", " ", "1", "2", "\r\n\r\n", " y"));
  EXPECT_THAT(words("llama-bpe", "12345 a\n"), ElementsAre("123", "45", " a", "\n"));
  EXPECT_THAT(words("default", "a,b 1234"), ElementsAre("a", ",", "b", " ", "123", "4"));
  EXPECT_THAT(words("", "a,,b"), ElementsAre("a", ",,", "b"));
  EXPECT_THAT(words("gpt-2", ""), ElementsAre());
}

TEST(PreTokenizerTest, UsesTheClassesOfUnicode15WhateverTheLibraryHas) {
  EXPECT_THAT(words("gpt-2", "a\U00031350"), ElementsAre("a\U00031350"));        // a letter since 15.0
  EXPECT_THAT(words("gpt-2", "1\U0001D2C0"), ElementsAre("1\U0001D2C0"));        // a number since 15.0
  EXPECT_THAT(words("default", ".\U00011F43"), ElementsAre(".\U00011F43"));      // punctuation since 15.0
  EXPECT_THAT(words("gpt-2", ".\u180E"), ElementsAre(".\u180E"));                // no space
  EXPECT_THAT(words("gpt-2", "a\xED\xA0\x80 b"), ElementsAre("a", "\xED\xA0\x80", " b"));
}

TEST(PreTokenizerTest, CutsAMegabyteOfOneKindInOneGo) {
  constexpr std::size_t kBytes = 1u << 20;
  for (const char* family : {"gpt-2", "smollm", "qwen2", "llama-bpe", "default"}) {
    EXPECT_THAT(words(family, std::string(kBytes, ' ') + "x").size(), 2u) << family;
    EXPECT_EQ(words(family, std::string(kBytes, 'x')).size(), 1u) << family;
    EXPECT_EQ(words(family, std::string(kBytes, '!')).size(), 1u) << family;
  }
}

TEST(PreTokenizerTest, NamesAnUnknownFamily) {
  const auto pre_tokenizer = PreTokenizer::create("nothing");
  ASSERT_FALSE(pre_tokenizer);
  EXPECT_EQ(pre_tokenizer.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(pre_tokenizer.error().message, testing::HasSubstr("smollm"));
}

}  // namespace
}  // namespace longshore::text
