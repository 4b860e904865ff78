#include "scheduler/batching/prefix_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/plan/leaf.h"

namespace longshore::batching {
namespace {

constexpr std::uint32_t kPrompt = 1u << 20;  // longer than all: nothing is decoded

// Each character stands for a leaf of tokens.
std::vector<Sha256> names_of(const std::string& leaves, std::string_view salt = "") {
  std::vector<TokenId> tokens;
  for (const char leaf : leaves) tokens.insert(tokens.end(), kLeafTokens, leaf);
  std::vector<Sha256> names;
  name_leaves({}, kPrompt, salt, tokens, static_cast<std::uint32_t>(leaves.size()), names);
  return names;
}

class PrefixCacheTest : public testing::Test {
 protected:
  bool carry(std::uint64_t id, const std::string& leaves, std::uint32_t adopted = 0,
             const std::optional<PrefixCache::Prefix>& begun_with = std::nullopt) {
    return cache_.carry(SequenceId{id}, SequenceEpoch{3}, names_of(leaves), adopted, begun_with, ends_whole_);
  }
  // "carrier:leaves", or "".
  std::string find(const std::string& leaves, std::string_view salt = "") {
    const auto prefix = cache_.find(names_of(leaves, salt));
    if (!prefix) return "";
    EXPECT_EQ(prefix->epoch, SequenceEpoch{3});
    return std::to_string(prefix->carrier.value) + ":" + std::to_string(prefix->leaves);
  }
  // "carrier:kept leaves", or "".
  std::string evict() {
    const auto eviction = cache_.evict();
    return eviction ? std::to_string(eviction->carrier.value) + ":" + std::to_string(eviction->keep) : "";
  }

  bool ends_whole_ = false;  // of what is carried from now on
  PrefixCache cache_;
};

TEST_F(PrefixCacheTest, FindsTheLongestPrefix) {
  EXPECT_EQ(find("abc"), "");
  EXPECT_TRUE(carry(1, "abc"));
  EXPECT_EQ(find("abcd"), "1:3");
  EXPECT_EQ(find("abx"), "1:2");
  EXPECT_EQ(find("a"), "1:1");
  EXPECT_EQ(find("bc"), "");
  EXPECT_EQ(find(""), "");
  EXPECT_EQ(cache_.leaves(), 3u);
}

TEST_F(PrefixCacheTest, ALeafIsItsTokensAndAllBeforeAndItsSalt) {
  carry(1, "ab");
  EXPECT_EQ(find("bb"), "");
  EXPECT_EQ(find("ab", "tenant"), "");
  EXPECT_NE(names_of("ab")[1], names_of("bb")[1]);
}

TEST_F(PrefixCacheTest, NamesAreTheSameWhenTheyAreCompletedLater) {
  std::vector<TokenId> tokens(3 * kLeafTokens, 7);
  std::vector<Sha256> at_once, later;
  name_leaves({}, kPrompt, "s", tokens, 3, at_once);
  name_leaves({}, kPrompt, "s", tokens, 1, later);
  name_leaves({}, kPrompt, "s", tokens, 3, later);
  name_leaves({}, kPrompt, "s", tokens, 2, later);  // nothing more
  EXPECT_EQ(at_once, later);
}

TEST_F(PrefixCacheTest, SequencesShareWhatTheyHaveInCommon) {
  carry(1, "abc");
  EXPECT_TRUE(carry(2, "abxy", 2));
  EXPECT_EQ(cache_.leaves(), 5u);
  EXPECT_EQ(find("abxz"), "2:3");
  EXPECT_EQ(find("abc"), "1:3");
  EXPECT_FALSE(carry(3, "abx", 2));  // nothing new
  EXPECT_EQ(cache_.leaves(), 5u);
}

TEST_F(PrefixCacheTest, CountsWhatASequenceComputedThoughAnotherHasIt) {
  carry(1, "abc");
  EXPECT_TRUE(carry(2, "abcd", 1));  // began with one leaf, and computed "b" and "c" once more
  EXPECT_EQ(cache_.leaves(), 6u);
  find("abc");
  EXPECT_EQ(evict(), "2:0");
  EXPECT_EQ(cache_.leaves(), 3u);
}

TEST_F(PrefixCacheTest, CountsOnceWhatTwoSharedWhileBothRan) {
  carry(1, "abc");
  const PrefixCache::Prefix of_1{SequenceId{1}, SequenceEpoch{3}, 2};
  EXPECT_TRUE(carry(2, "abcd", 0, of_1));  // "ab" is sequence 1's memory, "c" its own
  EXPECT_EQ(cache_.leaves(), 4u + 1u);
  const PrefixCache::Prefix of_another_epoch{SequenceId{1}, SequenceEpoch{2}, 2};
  EXPECT_TRUE(carry(3, "abe", 0, of_another_epoch));
  EXPECT_EQ(cache_.leaves(), 5u + 1u + 2u);
}

TEST(LeavesInCommonTest, CountsEqualNamesFromTheFirst) {
  std::vector<Sha256> a(7), b(9);
  for (std::size_t i = 0; i < a.size(); ++i) a[i][0] = static_cast<std::uint8_t>(i + 1);
  for (std::size_t common = 0; common <= a.size(); ++common) {
    for (std::size_t i = 0; i < b.size(); ++i) b[i][0] = static_cast<std::uint8_t>(i < common ? i + 1 : 100 + i);
    EXPECT_EQ(leaves_in_common(a, b), common);
    EXPECT_EQ(leaves_in_common(b, a), common);
  }
  EXPECT_EQ(leaves_in_common({}, a), 0u);
}

TEST_F(PrefixCacheTest, EvictsEndsOfPathsTheLeastRecentlyUsedFirst) {
  carry(1, "abc");
  carry(2, "abxy", 2);
  find("abc");
  EXPECT_EQ(evict(), "2:3");
  EXPECT_EQ(evict(), "2:0");
  EXPECT_EQ(evict(), "1:2");
  EXPECT_EQ(find("abc"), "1:2");
  EXPECT_EQ(evict(), "1:1");
  EXPECT_EQ(evict(), "1:0");
  EXPECT_EQ(evict(), "");
  EXPECT_EQ(cache_.leaves(), 0u);
}

TEST_F(PrefixCacheTest, EvictsNothingOfAPinnedPath) {
  carry(1, "abc");
  cache_.pin(names_of("ab")[1]);
  cache_.pin(names_of("ab")[1]);
  EXPECT_EQ(evict(), "1:2");
  EXPECT_EQ(evict(), "");
  cache_.unpin(names_of("ab")[1]);
  EXPECT_EQ(evict(), "");
  cache_.unpin(names_of("ab")[1]);
  EXPECT_EQ(evict(), "1:1");
}

TEST_F(PrefixCacheTest, ClearingTellsWhomToRelease) {
  carry(1, "ab");
  carry(2, "x");
  cache_.pin(names_of("x")[0]);
  EXPECT_EQ(cache_.clear(), (std::vector{SequenceId{1}, SequenceId{2}}));
  EXPECT_EQ(cache_.leaves(), 0u);
  EXPECT_EQ(cache_.carriers(), 0u);
  EXPECT_EQ(find("ab"), "");
  EXPECT_TRUE(carry(4, "ab"));
}

TEST_F(PrefixCacheTest, WithWindowsOnlyAWholeSequenceIsContinued) {
  ends_whole_ = true;
  carry(1, "abc");
  EXPECT_EQ(find("abcd"), "1:3");
  EXPECT_EQ(find("abx"), "");
  carry(2, "abcde", 3);
  EXPECT_EQ(find("abcdx"), "1:3");
  EXPECT_EQ(find("abcdef"), "2:5");
  EXPECT_EQ(evict(), "2:4");
  EXPECT_EQ(find("abcdef"), "1:3");  // what is left of 2 has lost its window
}

// Against a list of every carried path.
TEST_F(PrefixCacheTest, AgreesWithAPlainListUnderRandomUse) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    cache_ = PrefixCache();
    std::map<std::uint64_t, std::string> kept;  // by carrier
    for (std::uint64_t id = 1; id < 60; ++id) {
      std::string leaves;
      for (std::uint64_t n = 1 + random.below(6); n > 0; --n) leaves += static_cast<char>('a' + random.below(2));
      std::size_t longest = 0;
      for (const auto& [carrier, path] : kept) {
        std::size_t common = 0;
        while (common < std::min(path.size(), leaves.size()) && path[common] == leaves[common]) ++common;
        longest = std::max(longest, common);
      }
      const auto prefix = cache_.find(names_of(leaves));
      ASSERT_EQ(prefix ? prefix->leaves : 0, longest) << seed;
      if (prefix) {
        ASSERT_EQ(kept.at(prefix->carrier.value).substr(0, longest), leaves.substr(0, longest)) << seed;
      }
      const bool is_new = carry(id, leaves, static_cast<std::uint32_t>(longest));
      ASSERT_EQ(is_new, longest < leaves.size());
      if (is_new) kept[id] = leaves;
      for (std::uint64_t n = random.below(4); n > 0; --n)
        if (const auto eviction = cache_.evict()) {
          std::string& path = kept.at(eviction->carrier.value);
          ASSERT_LT(eviction->keep, path.size());
          path.resize(eviction->keep);
          if (eviction->keep == 0) kept.erase(eviction->carrier.value);
        }
    }
    while (cache_.evict()) {
    }
    EXPECT_EQ(cache_.carriers(), 0u);
    EXPECT_EQ(cache_.leaves(), 0u);
  }
}

}  // namespace
}  // namespace longshore::batching
