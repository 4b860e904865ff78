#include "cli/eval/prose.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace longshore::cli::eval {
namespace {

TEST(Prose, TheSameSeedAndStreamGiveTheSameText) {
  EXPECT_EQ(Prose(3, 4).text(5000), Prose(3, 4).text(5000));
  EXPECT_NE(Prose(3, 4).text(5000), Prose(3, 5).text(5000));
  EXPECT_NE(Prose(3, 4).text(5000), Prose(4, 4).text(5000));
}

TEST(Prose, SentencesAreWholeAndWithoutDigits) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Prose prose(seed, 1);
    for (int i = 0; i < 100; ++i) {
      const std::string sentence = prose.sentence();
      EXPECT_TRUE(std::isupper(static_cast<unsigned char>(sentence.front()))) << sentence;
      EXPECT_TRUE(sentence.ends_with(".")) << sentence;
      EXPECT_EQ(sentence.find_first_of("0123456789{}"), std::string::npos) << sentence;
    }
  }
}

TEST(Prose, RarelySaysTheSame) {
  Prose prose(1, 1);
  std::set<std::string> different;
  for (int i = 0; i < 1000; ++i) different.insert(prose.sentence());
  EXPECT_GT(different.size(), 800u);
}

TEST(Prose, IsAsLongAsAsked) {
  for (const std::size_t bytes : {1u, 100u, 10000u}) {
    const std::size_t size = Prose(1, 1).text(bytes).size();
    EXPECT_GE(size, bytes);
    EXPECT_LT(size, bytes + 400);
  }
}

}  // namespace
}  // namespace longshore::cli::eval
