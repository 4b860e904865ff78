#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/blocks/block_pool.h"
#include "runtime/blocks/block_table.h"
#include "runtime/blocks/chain_hash.h"
#include "runtime/plan/leaf.h"

namespace longshore::blocks {
namespace {

TEST(BlockPoolTest, GivesEveryBlockOnceAndThenNone) {
  BlockPool pool(5);
  std::set<BlockId> given;
  for (int i = 0; i < 5; ++i) given.insert(*pool.allocate());
  EXPECT_EQ(given.size(), 5u);
  EXPECT_FALSE(pool.allocate());
  EXPECT_EQ(pool.used(), 5u);
}

TEST(BlockPoolTest, FreesABlockWithItsLastHolder) {
  BlockPool pool(1);
  const BlockId block = *pool.allocate();
  pool.share(block);
  pool.release(block);
  EXPECT_FALSE(pool.allocate());
  pool.release(block);
  EXPECT_EQ(pool.used(), 0u);
  EXPECT_EQ(pool.allocate(), block);
}

TEST(BlockPoolTest, NeverGivesOutAHeldBlockUnderAnyOrder) {
  Random random(7);
  BlockPool pool(17);
  std::multiset<BlockId> held;
  for (int step = 0; step < 20000; ++step) {
    if (random.below(2) == 0) {
      if (const auto block = pool.allocate()) {
        ASSERT_FALSE(held.contains(*block));
        held.insert(*block);
      }
    } else if (!held.empty()) {
      auto victim = held.begin();
      std::advance(victim, static_cast<long>(random.below(held.size())));
      const BlockId block = *victim;
      if (random.below(3) == 0) {
        pool.share(block);
        held.insert(block);
      } else {
        pool.release(block);
        held.erase(victim);
      }
    }
    ASSERT_EQ(pool.used(), std::set<BlockId>(held.begin(), held.end()).size());
  }
}

std::vector<TokenId> leaf_of_tokens(TokenId first) {
  std::vector<TokenId> tokens(kLeafTokens);
  for (std::size_t t = 0; t < tokens.size(); ++t) tokens[t] = first + static_cast<TokenId>(t);
  return tokens;
}

TEST(BlockTableTest, KeepsWhatItHoldsWhileItGrows) {
  constexpr std::uint32_t kLayers = 3, kHeads = 2, kLeaves = 37;
  BlockTable table(kLayers, kHeads);
  const auto block_of = [](std::uint32_t leaf, std::uint32_t layer, std::uint32_t head) {
    return BlockId{(leaf * kLayers + layer) * kHeads + head};
  };
  for (std::uint32_t leaves = 1; leaves <= kLeaves; ++leaves) {
    table.grow(leaves);
    table.grow(leaves - 1);  // never shrinks
    ASSERT_EQ(table.leaves(), leaves);
    for (std::uint32_t layer = 0; layer < kLayers; ++layer)
      for (std::uint32_t head = 0; head < kHeads; ++head) {
        EXPECT_FALSE(table.at(leaves - 1, layer, head)) << "a new leaf holds nothing";
        table.at(leaves - 1, layer, head) = block_of(leaves - 1, layer, head);
      }
  }
  const BlockTable& all = table;
  for (std::uint32_t leaf = 0; leaf < kLeaves; ++leaf)
    for (std::uint32_t layer = 0; layer < kLayers; ++layer)
      for (std::uint32_t head = 0; head < kHeads; ++head) EXPECT_EQ(all.at(leaf, layer, head), block_of(leaf, layer, head));
  EXPECT_FALSE(all.at(kLeaves, 0, 0)) << "beyond the end";
}

TEST(ChainHashTest, EverythingThatDecidesTheBitsChangesTheName) {
  const ChainRoot root{sha256({}), 1, "f16", "full", ""};
  std::set<Sha256> names{chain_root(root)};
  ChainRoot other = root;
  other.numerics_version = 2;
  names.insert(chain_root(other));
  other = root;
  other.codec = "q8_0";
  names.insert(chain_root(other));
  other = root;
  other.cache_salt = "tenant";
  names.insert(chain_root(other));
  other = root;
  other.codec = "f1";
  other.preset = "6full";  // the same characters in a row
  names.insert(chain_root(other));
  names.insert(chain_next(chain_root(root), leaf_of_tokens(0)));
  names.insert(chain_next(chain_root(root), leaf_of_tokens(1)));
  names.insert(chain_next(chain_next(chain_root(root), leaf_of_tokens(0)), leaf_of_tokens(0)));
  EXPECT_EQ(names.size(), 8u);
}

TEST(ChainHashTest, LeavesWithRowsOfAnotherRuleHaveOtherNames) {
  const ChainRoot root{sha256({}), 1, "f16", "full", ""};
  const std::vector<TokenId> tokens(5 * kLeafTokens, 7);
  const auto names = [&](std::string_view rule, std::uint32_t prompt_tokens) {
    std::vector<Sha256> all;
    name_leaves(root, chain_fork(rule, prompt_tokens), tokens, 2, all);
    name_leaves(root, chain_fork(rule, prompt_tokens), tokens, 5, all);  // the rest
    return all;
  };
  const auto in_common = [](const std::vector<Sha256>& a, const std::vector<Sha256>& b) {
    return std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin();
  };
  const std::vector<Sha256> full = names("", 0);
  EXPECT_EQ(full[0], chain_next(chain_root(root), std::span(tokens).first(kLeafTokens)));
  EXPECT_EQ(full[1], chain_next(full[0], std::span(tokens).first(kLeafTokens)));
  EXPECT_EQ(names("", 300), full);
  EXPECT_EQ(in_common(names("rule", 300), full), 2) << "leaf 2 has rows of both";
  EXPECT_EQ(in_common(names("rule", 384), full), 3) << "leaf 3 is the first with a row behind the prompt";
  EXPECT_EQ(in_common(names("rule", 300), names("rule", 301)), 2) << "another prompt, other rows by the rule";
  EXPECT_EQ(in_common(names("rule", 300), names("ruse", 300)), 2);
  EXPECT_EQ(in_common(names("rule", 0), full), 0);
}

TEST(ChainHashTest, IsTheSameInEveryProcess) {
  // Blocks are shared between processes by name, so the bytes that are hashed are part of the wire.
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const ChainRoot root{sha256({}), 1, "f16", "full", ""};
  EXPECT_EQ(chain_next(chain_root(root), leaf_of_tokens(5)), chain_next(chain_root(root), leaf_of_tokens(5)));
}

}  // namespace
}  // namespace longshore::blocks
