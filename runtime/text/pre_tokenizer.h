#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace longshore::text {

// A text made valid, and where its words begin and end.
struct Words {
  std::string text;               // valid UTF-8, but for surrogates that stay as they were
  std::vector<std::size_t> ends;  // ascending ends of the words; the last is text.size()
};

// Cuts text into the words inside which BPE merges, by the regular expressions of the vocabulary's `pre` name.
//
// Bytes that are no character become U+FFFD, one each; overlong forms become the character that they mean.
// Character classes are those of Unicode 15.1, whatever version PCRE2 carries: a character whose class changed
// between is matched through a stand-in of its class and length.
// Thread: immutable; a call allocates its own match data.
class PreTokenizer {
 public:
  // Errors: kInvalidArgument for an unknown name (tokenizer.ggml.pre); kFailedPrecondition where PCRE2 refuses.
  static Result<PreTokenizer> create(std::string_view name);

  // Errors: kInvalidArgument where a match runs into PCRE2's limits.
  Result<Words> split(std::string_view text) const;

  // llama.cpp takes a word that is a token as it stands, without merging, in this family.
  bool ignores_merges() const { return ignores_merges_; }

  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

 private:
  class Pattern;
  PreTokenizer();

  std::vector<Pattern> stages_;  // each cuts the parts that the one before left
  bool ignores_merges_ = false;
};

// The families' names, for error texts; and whether a file of this family adds BOS unless it says otherwise.
bool adds_bos_by_default(std::string_view pre_name);

}  // namespace longshore::text
