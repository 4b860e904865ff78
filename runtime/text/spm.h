#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/text/vocabulary.h"

namespace longshore::text {

// SentencePiece's BPE from a table of pieces and scores: of the neighbours whose concatenation is a token, the pair
// of highest score is merged, of equal ones the leftmost, until none is left: O(n log n) with a heap. What is no
// token in the end is written as byte tokens. Source: Kudo & Richardson 2018.
// Thread: immutable.
class SpmModel {
 public:
  // Errors: kInvalidArgument where a byte has no token, naming it.
  static Result<SpmModel> create(const Vocabulary& vocabulary);

  // Appends the tokens of a text whose spaces are escaped already (U+2581).
  // Requires: `vocabulary` is the one given to create.
  void encode(const Vocabulary& vocabulary, std::string_view text, std::vector<TokenId>& out) const;

 private:
  SpmModel() = default;
  std::array<TokenId, 256> byte_tokens_{};
};

}  // namespace longshore::text
