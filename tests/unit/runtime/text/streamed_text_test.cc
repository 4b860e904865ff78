#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/base/random.h"
#include "runtime/text/incremental_text.h"
#include "runtime/text/stop_matcher.h"
#include "runtime/text/utf8.h"

namespace longshore::text {
namespace {

// Random text over a few bytes that meet often.
std::string random_text(Random& random, std::string_view bytes, std::size_t size_max) {
  std::string text(random.below(size_max + 1), ' ');
  for (char& byte : text) byte = bytes[random.below(bytes.size())];
  return text;
}

// Calls `give` with the text cut at random places.
template <typename Give>
void cut_at_random(Random& random, std::string_view text, Give give) {
  while (!text.empty()) {
    const std::size_t size = std::min<std::size_t>(random.below(4), text.size());
    give(text.substr(0, size));
    text.remove_prefix(size);
  }
}

TEST(IncrementalTextTest, HoldsBackUntilACharacterIsWhole) {
  IncrementalText text;
  EXPECT_EQ(text.append("a\xF0\x9F"), "a");
  EXPECT_TRUE(text.holds_back());
  EXPECT_EQ(text.append("\x98"), "");
  EXPECT_EQ(text.append("\x80!"), "\U0001F600!");
  EXPECT_FALSE(text.holds_back());
  EXPECT_EQ(text.flush(), "");
}

TEST(IncrementalTextTest, ReplacesOnlyWhatCanNoLongerBecomeACharacter) {
  IncrementalText text;
  EXPECT_EQ(text.append("\xE2\x82"), "");
  EXPECT_EQ(text.append("x"), "\uFFFDx");               // one for the ill-formed part of two bytes
  EXPECT_EQ(text.append("\xE0\x80"), "\uFFFD\uFFFD");    // 0x80 cannot follow 0xE0
  EXPECT_EQ(text.append("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(text.append("\xC0\xFF"), "\uFFFD\uFFFD");
  EXPECT_EQ(text.append("\xF4\x90"), "\uFFFD\uFFFD");
  EXPECT_EQ(text.append("\xF0\x90\x80"), "");
  EXPECT_EQ(text.flush(), "\uFFFD");
  EXPECT_EQ(text.flush(), "");
}

TEST(IncrementalTextTest, GivesTheSameTextHoweverItIsCut) {
  Random random(1);
  for (int round = 0; round < 3000; ++round) {
    const std::string bytes = random_text(random, "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xED\xFF\xF4\x8F", 24);
    IncrementalText whole, cut;
    const std::string head = whole.append(bytes);
    const std::string expected = head + whole.flush();
    std::string got;
    cut_at_random(random, bytes, [&](std::string_view piece) {
      const std::string text = cut.append(piece);
      for (std::string_view rest = text; !rest.empty();) {  // each output is whole characters
        const Utf8Prefix prefix = read_prefix(rest);
        ASSERT_EQ(prefix.state, Utf8Prefix::State::kWhole);
        rest.remove_prefix(prefix.bytes);
      }
      got += text;
    });
    EXPECT_EQ(got + cut.flush(), expected);
  }
}

TEST(StopMatcherTest, HoldsBackWhatMayBeginAStopString) {
  StopMatcher matcher({"</end>"});
  EXPECT_EQ(matcher.append("a<").text, "a");
  EXPECT_EQ(matcher.append("/e").text, "");
  EXPECT_EQ(matcher.append("x").text, "</ex");
  EXPECT_EQ(matcher.append("<</en").text, "<");
  EXPECT_EQ(matcher.flush(), "</en");
}

TEST(StopMatcherTest, EndsBeforeTheFirstMatch) {
  StopMatcher matcher({"stop", "", "st"});
  const auto output = matcher.append("a stop");
  EXPECT_EQ(output.text, "a ");
  EXPECT_EQ(output.matched, 2u);  // "st" ends first
  StopMatcher longest({"b", "ab"});
  const auto both = longest.append("ab");
  EXPECT_EQ(both.text, "");
  EXPECT_EQ(both.matched, 1u);  // both end here, the longer begins first
}

TEST(StopMatcherTest, WithoutStopStringsHoldsNothingBack) {
  StopMatcher matcher({});
  EXPECT_EQ(matcher.append("abc").text, "abc");
  EXPECT_EQ(matcher.flush(), "");
}

struct Match {
  std::string before;
  std::optional<std::size_t> stop;
};

// The definition: the match that ends first, of those the longest.
Match search(std::string_view text, const std::vector<std::string>& stops) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < stops.size(); ++i) {
      if (stops[i].empty() || !text.substr(0, end).ends_with(stops[i])) continue;
      if (!best || stops[i].size() > stops[*best].size()) best = i;
    }
    if (best) return {std::string(text.substr(0, end - stops[*best].size())), best};
  }
  return {std::string(text), std::nullopt};
}

TEST(StopMatcherTest, FindsTheSameHoweverTheTextIsCut) {
  Random random(2);
  for (int round = 0; round < 5000; ++round) {
    std::vector<std::string> stops;
    for (std::uint64_t i = 0; i <= random.below(3); ++i) stops.push_back(random_text(random, "ab", 5));
    const std::string text = random_text(random, "abc", 20);
    const Match expected = search(text, stops);
    StopMatcher matcher(stops);
    std::string got;
    std::optional<std::size_t> matched;
    cut_at_random(random, text, [&](std::string_view piece) {
      if (matched) return;
      auto output = matcher.append(piece);
      got += output.text;
      matched = output.matched;
    });
    if (!matched) got += matcher.flush();
    EXPECT_EQ(got, expected.before) << text;
    EXPECT_EQ(matched, expected.stop) << text;
  }
}

}  // namespace
}  // namespace longshore::text
