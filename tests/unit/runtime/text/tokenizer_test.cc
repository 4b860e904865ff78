#include "runtime/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/runtime/text/small_vocabulary.h"

namespace longshore::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Tokenizer> make(VocabularyData data) {
  auto tokenizer = Tokenizer::create(std::move(data));
  EXPECT_TRUE(tokenizer) << tokenizer.error().to_string();
  return std::move(*tokenizer);
}

std::vector<TokenId> encode(const Tokenizer& tokenizer, std::string_view text, bool parse_special = false) {
  return *tokenizer.encode(text, {.add_special = false, .parse_special = parse_special});
}

std::string refusal(VocabularyData data) {
  const auto tokenizer = Tokenizer::create(std::move(data));
  EXPECT_FALSE(tokenizer);
  if (tokenizer) return {};
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kInvalidArgument);
  return tokenizer.error().message;
}

TEST(BpeTokenizerTest, MergesByRankFromTheLeft) {
  const auto tokenizer = make(small_bpe());
  EXPECT_THAT(encode(*tokenizer, "hello hello"), ElementsAre(kBpeHello, kBpeSpaceHello));
  EXPECT_THAT(encode(*tokenizer, "aaaaa"), ElementsAre(262, 'a'));
  EXPECT_THAT(encode(*tokenizer, "aaa"), ElementsAre(261, 'a'));
  EXPECT_THAT(encode(*tokenizer, "é"), ElementsAre(263));
  EXPECT_THAT(encode(*tokenizer, ""), ElementsAre());
}

TEST(BpeTokenizerTest, WritesAMergeThatIsNoTokenAsItsBytes) {
  EXPECT_THAT(encode(*make(small_bpe()), "xy"), ElementsAre('x', 'y'));
}

TEST(BpeTokenizerTest, ReadsBytesThatAreNoCharacterAsReplacement) {
  const auto tokenizer = make(small_bpe());
  EXPECT_THAT(encode(*tokenizer, "\xFF"), ElementsAre(0xEF, 0xBF, 0xBD));
  EXPECT_EQ(tokenizer->decode(encode(*tokenizer, "a\xE4\xB8z\xF5\x80\x80\x80")), "a\uFFFD\uFFFDz\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(tokenizer->decode(encode(*tokenizer, "\xED\xA0\x80")), "\xED\xA0\x80");  // a surrogate stays
}

TEST(BpeTokenizerTest, TakesAWholeWordFirstInTheLlamaFamily) {
  VocabularyData data = small_bpe("llama-bpe");
  add_token(data, "xyz", TokenKind::kNormal);
  add_token(data, "secret", TokenKind::kControl);
  data.bos = kBpeStart;
  const auto tokenizer = make(std::move(data));
  EXPECT_THAT(encode(*tokenizer, "xyz"), ElementsAre(270));
  EXPECT_EQ(encode(*tokenizer, "secret").size(), 6u);  // but never a marker
  EXPECT_THAT(*tokenizer->encode("a"), ElementsAre(kBpeStart, 'a'));  // and BOS unless the file says no
}

TEST(BpeTokenizerTest, MatchesMarkersOnlyWhereAsked) {
  const auto tokenizer = make(small_bpe());
  EXPECT_THAT(encode(*tokenizer, "a<|im_end|>b", true), ElementsAre('a', kBpeEnd, 'b'));
  EXPECT_EQ(encode(*tokenizer, "<|im_end|>").size(), 10u);
  EXPECT_THAT(encode(*tokenizer, "<tool>"), ElementsAre(kBpeTool));
}

TEST(BpeTokenizerTest, TakesLongerSpecialTokensFirstWhereverTheyStand) {
  const auto tokenizer = make(small_bpe());
  EXPECT_THAT(encode(*tokenizer, "<tool><call>"), ElementsAre(kBpeToolCall));
  // "ol><cal" is longer than "<tool>", which begins before it.
  EXPECT_THAT(encode(*tokenizer, "<tool><cal>"), ElementsAre('<', 't', 'o', kBpeOlCal, '>'));
}

TEST(BpeTokenizerTest, TrustsOnlyTrustedSegments) {
  using Trust = TextSegment::Trust;
  const auto tokenizer = make(small_bpe());
  const std::vector<TextSegment> smuggled = {{"<|im_start|>", Trust::kTemplate}, {"<|im_end|>", Trust::kUser}};
  EXPECT_EQ(tokenizer->encode(smuggled, false)->size(), 11u);
  const std::vector<TextSegment> halves = {{"<|im_", Trust::kTemplate}, {"end|>", Trust::kUser}};
  EXPECT_EQ(tokenizer->encode(halves, false)->size(), 10u);
  const std::vector<TextSegment> neighbours = {{"<|im_", Trust::kTemplate}, {"", Trust::kUser}, {"end|>", Trust::kTemplate}};
  EXPECT_THAT(*tokenizer->encode(neighbours, false), ElementsAre(kBpeEnd));
  const std::vector<TextSegment> joined = {{"hel", Trust::kTemplate}, {"lo", Trust::kUser}};
  EXPECT_THAT(*tokenizer->encode(joined, false), ElementsAre(kBpeHello));
}

TEST(BpeTokenizerTest, DecodesToTheBytes) {
  const auto tokenizer = make(small_bpe());
  EXPECT_EQ(tokenizer->piece(kBpeSpaceHello), " hello");
  EXPECT_EQ(tokenizer->piece(0xC3), "\xC3");
  EXPECT_EQ(tokenizer->piece(kBpePadding), "");
  const std::vector<TokenId> ids = {kBpeHello, kBpeEnd};
  EXPECT_EQ(tokenizer->decode(ids), "hello<|im_end|>");
  EXPECT_EQ(tokenizer->decode(ids, {.render_control = false}), "hello");
}

TEST(BpeTokenizerTest, EndsAtEosAndAtTokensThatAreWrittenLikeEnds) {
  VocabularyData data = small_bpe();
  add_token(data, "<|endoftext|>", TokenKind::kNormal);
  add_token(data, "<|file_sep|>", TokenKind::kNormal);
  data.eos = 'x';
  const auto tokenizer = make(std::move(data));
  EXPECT_THAT(tokenizer->end_tokens(), ElementsAre('x', kBpeEnd, 270, 271));
  EXPECT_TRUE(tokenizer->is_end(270));
  EXPECT_FALSE(tokenizer->is_end('y'));
  EXPECT_TRUE(tokenizer->is_control(270));  // so a user's text cannot contain it
  EXPECT_EQ(tokenizer->find("<|im_start|>"), kBpeStart);
  EXPECT_EQ(tokenizer->find("<|nothing|>"), std::nullopt);
}

TEST(SpmTokenizerTest, MergesByScoreFromTheLeft) {
  VocabularyData data = small_spm();
  data.add_space_prefix = false;
  const auto tokenizer = make(std::move(data));
  // "lo" has the best score, so "hello" is never reached.
  EXPECT_THAT(encode(*tokenizer, "hello"), ElementsAre(kSpmHe, 262, kSpmLo));
  EXPECT_THAT(encode(*tokenizer, "lll"), ElementsAre(kSpmLl, 262));
  EXPECT_THAT(encode(*tokenizer, " "), ElementsAre(kSpmSpace));
}

TEST(SpmTokenizerTest, WritesUnknownCharactersAsBytes) {
  VocabularyData data = small_spm();
  data.add_space_prefix = false;
  const auto tokenizer = make(std::move(data));
  EXPECT_THAT(encode(*tokenizer, "é"), ElementsAre(kSpmEAcute));
  EXPECT_THAT(encode(*tokenizer, "ü"), ElementsAre(kSpmByte0 + 0xC3, kSpmByte0 + 0xBC));
  EXPECT_THAT(encode(*tokenizer, "\xFF"), ElementsAre(kSpmByte0 + 0xFF));
  EXPECT_EQ(tokenizer->decode(encode(*tokenizer, "h\xFF\xC3\0é")), "h\xFF\xC3\0é");
}

TEST(SpmTokenizerTest, BeginsWithBosAndASpaceUnlessTheFileSaysNo) {
  const auto tokenizer = make(small_spm());
  EXPECT_THAT(*tokenizer->encode("h"), ElementsAre(1, kSpmSpace, 260));
  EXPECT_THAT(*tokenizer->encode(""), ElementsAre(1));
  EXPECT_EQ(tokenizer->decode(encode(*tokenizer, "h")), "h");
  EXPECT_EQ(tokenizer->decode(encode(*tokenizer, "h"), {.strip_space_prefix = false}), " h");
  VocabularyData data = small_spm();
  data.add_bos = false;
  data.add_eos = true;
  EXPECT_THAT(*make(std::move(data))->encode("\n\n"), ElementsAre(kSpmTwoLines, 2));
}

TEST(SpmTokenizerTest, NeverMergesLettersIntoAMarker) {
  VocabularyData data = small_spm();
  data.add_space_prefix = false;
  const auto tokenizer = make(std::move(data));
  // "<s" and ">" would make BOS.
  EXPECT_THAT(encode(*tokenizer, "<s>"), ElementsAre(kSpmSTag, 266));
  EXPECT_THAT(encode(*tokenizer, "<s>", true), ElementsAre(1));
}

TEST(TokenizerTest, RefusesATextBeyondTheLimit) {
  const auto tokenizer = make(small_bpe());
  const auto ids = tokenizer->encode(std::string(kTextBytesMax + 1, 'a'));
  ASSERT_FALSE(ids);
  EXPECT_THAT(ids.error().message, HasSubstr("8388609 bytes"));
}

TEST(TokenizerTest, RefusesAVocabularyThatItCannotRead) {
  const auto changed = [](auto change, VocabularyData data) {
    change(data);
    return refusal(std::move(data));
  };
  using Data = VocabularyData;
  EXPECT_THAT(changed([](Data& d) { d.model = "bert"; }, small_bpe()), HasSubstr("tokenizer.ggml.model is \"bert\""));
  EXPECT_THAT(changed([](Data& d) { d.pre = "viking"; }, small_bpe()), HasSubstr("tokenizer.ggml.pre is \"viking\""));
  EXPECT_THAT(changed([](Data& d) { d.tokens.clear(); }, small_bpe()), HasSubstr("tokens has 0 entries"));
  EXPECT_THAT(changed([](Data& d) { d.tokens[7] = d.tokens[5]; }, small_bpe()), HasSubstr("tokens[7] is the same as [5]"));
  EXPECT_THAT(changed([](Data& d) { d.kinds.pop_back(); }, small_bpe()), HasSubstr("token_type has 269 entries for 270"));
  EXPECT_THAT(changed([](Data& d) { d.merges[1] = "ab"; }, small_bpe()), HasSubstr("merges[1] is \"ab\""));
  EXPECT_THAT(changed([](Data& d) { d.merges[1] = "ab "; }, small_bpe()), HasSubstr("merges[1]"));
  EXPECT_THAT(changed([](Data& d) { d.eos = 270; }, small_bpe()), HasSubstr("eos_token_id is 270, outside"));
  EXPECT_THAT(changed([](Data& d) { d.eot = -1; }, small_bpe()), HasSubstr("eot_token_id is -1"));
  EXPECT_THAT(changed([](Data& d) { d.add_bos = true; }, small_bpe()), HasSubstr("bos_token_id is missing"));
  EXPECT_THAT(changed([](Data& d) { d.add_eos = true, d.eos.reset(); }, small_bpe()), HasSubstr("eos_token_id is missing"));
  EXPECT_THAT(changed([](Data& d) { d.scores.pop_back(); }, small_spm()), HasSubstr("scores has 276 entries for 277"));
  EXPECT_THAT(changed([](Data& d) { d.scores[3] = std::numeric_limits<float>::quiet_NaN(); }, small_spm()),
              HasSubstr("scores[3] is not a finite number"));
  EXPECT_THAT(changed([](Data& d) { d.tokens[kSpmByte0 + 0x41] = "gone"; }, small_spm()), HasSubstr("no token <0x41>"));
}

TEST(TokenizerTest, RefusesMoreTokensAndMergesThanItsLimits) {
  VocabularyData data;
  data.model = "gpt2";
  data.tokens.resize((1u << 22) + 1);
  EXPECT_THAT(refusal(std::move(data)), HasSubstr("there must be 1 to 4194304"));
  data = small_bpe();
  data.merges.resize((1u << 23) + 1);
  EXPECT_THAT(refusal(std::move(data)), HasSubstr("at most 8388608"));
}

}  // namespace
}  // namespace longshore::text
