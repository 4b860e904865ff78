#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/text/byte_alphabet.h"
#include "runtime/text/vocabulary_data.h"

namespace longshore::text {

// Vocabularies small enough to work out by hand what they must give.

inline void add_token(VocabularyData& data, std::string_view text, TokenKind kind, float score = 0) {
  data.tokens.emplace_back(text);
  data.kinds.push_back(static_cast<std::int32_t>(kind));
  data.scores.push_back(score);
}

// Tokens 0 to 255 are the bytes, in order; then the results of merges, then markers.
inline VocabularyData small_bpe(std::string_view pre = "gpt-2") {
  VocabularyData data;
  data.model = "gpt2";
  data.pre = pre;
  for (unsigned byte = 0; byte < 256; ++byte) {
    add_token(data, alphabet_character(static_cast<std::uint8_t>(byte)), TokenKind::kNormal);
  }
  for (const auto& [left, right] : std::initializer_list<std::pair<std::string, std::string>>{
           {"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"Ġ", "hello"}, {"a", "a"}, {"aa", "aa"}, {"Ã", "©"}}) {
    data.merges.push_back(left + " " + right);
    add_token(data, left + right, TokenKind::kNormal);
  }
  data.merges.push_back("x y");  // whose result is no token
  for (const char* marker : {"<|im_start|>", "<|im_end|>"}) add_token(data, marker, TokenKind::kControl);
  for (const char* word : {"<tool>", "<tool><call>", "ol><cal"}) add_token(data, word, TokenKind::kUserDefined);
  add_token(data, "[PAD0]", TokenKind::kUnused);
  data.eos = 265;
  return data;
}
inline constexpr TokenId kBpeHello = 259, kBpeSpaceHello = 260, kBpeStart = 264, kBpeEnd = 265, kBpeTool = 266,
                         kBpeToolCall = 267, kBpeOlCal = 268, kBpePadding = 269;

// 0 to 2 unknown, BOS, EOS; 3 to 258 the bytes; then pieces, and markers.
inline VocabularyData small_spm() {
  VocabularyData data;
  data.model = "llama";
  add_token(data, "<unk>", TokenKind::kUnknown);
  add_token(data, "<s>", TokenKind::kControl);
  add_token(data, "</s>", TokenKind::kControl);
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (unsigned byte = 0; byte < 256; ++byte) {
    add_token(data, std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + ">", TokenKind::kByte);
  }
  for (const auto& [piece, score] : std::initializer_list<std::pair<const char*, float>>{
           {"▁", -1}, {"h", -2}, {"e", -3}, {"l", -4}, {"o", -5}, {"<", -6}, {"s", -7}, {">", -8},
           {"he", -20}, {"ll", -19}, {"hell", -18}, {"lo", -10}, {"hello", -17}, {"▁hello", -16}, {"<s", -9}, {"é", -30}}) {
    add_token(data, piece, TokenKind::kNormal, score);
  }
  add_token(data, "<start_of_turn>", TokenKind::kControl);
  add_token(data, "\n\n", TokenKind::kUserDefined);
  return data;
}
inline constexpr TokenId kSpmByte0 = 3, kSpmSpace = 259, kSpmHe = 267, kSpmLl = 268, kSpmLo = 270, kSpmSTag = 273, kSpmEAcute = 274,
                         kSpmTurn = 275, kSpmTwoLines = 276;

}  // namespace longshore::text
