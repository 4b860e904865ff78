#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/text/vocabulary.h"

namespace longshore::text {

// Byte-pair merging by rank over GPT-2's byte alphabet.
//
// Symbols are the vocabulary's tokens and, above V, the parts of merges that are no token themselves. Of the pairs
// that stand in a word the one of lowest rank is merged, of equal ones the leftmost, until none is left:
// O(n log n) with a heap. A symbol that is no token gives the tokens of its alphabet bytes where those exist, as
// llama.cpp does. Source: Sennrich et al. 2016, algorithm 1; Radford et al. 2019 (bytes).
// Thread: immutable.
class BpeModel {
 public:
  // Errors: kInvalidArgument naming tokenizer.ggml.merges and the index.
  static Result<BpeModel> create(const Vocabulary& vocabulary, const std::vector<std::string>& merges);

  // Appends the tokens of one word, given as raw bytes.
  void encode_word(std::string_view word, std::vector<TokenId>& out) const;

  // The token of the whole word, if it is one. Requires: as encode_word.
  bool append_whole_word(const Vocabulary& vocabulary, std::string_view word, std::vector<TokenId>& out) const;

 private:
  using Symbol = std::uint32_t;
  struct Merge {
    std::uint32_t rank = 0;
    Symbol result = 0;
  };

  BpeModel() = default;
  const Merge* find_merge(Symbol left, Symbol right) const;
  void append_tokens(Symbol symbol, std::vector<TokenId>& out) const;

  std::size_t vocabulary_size_ = 0;
  std::array<Symbol, 256> byte_symbols_{};            // of each raw byte
  std::unordered_map<std::uint64_t, Merge> merges_;   // left << 32 | right
  std::vector<std::vector<TokenId>> beyond_tokens_;   // tokens of symbol V + i
};

}  // namespace longshore::text
