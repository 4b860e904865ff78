#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/text/bpe.h"
#include "runtime/text/pre_tokenizer.h"
#include "runtime/text/special_splitter.h"
#include "runtime/text/spm.h"
#include "runtime/text/vocabulary.h"
#include "runtime/text/vocabulary_data.h"

namespace longshore::text {

// The longest text of one call, in bytes. Two million tokens of prose; and 8 MiB of one letter, the worst case, cost
// 250 MB and 7 seconds of a core, which a request may do but not more.
inline constexpr std::size_t kTextBytesMax = 8u << 20;

struct EncodeOptions {
  bool add_special = true;     // begin and end with BOS and EOS where the file asks for them
  bool parse_special = false;  // match control tokens written out in the text; never set for text of a user
};

struct DecodeOptions {
  bool render_control = true;      // write control tokens as their text, else leave them out
  bool strip_space_prefix = true;  // take back the space that encode put before the text, where the file asks for one
};

// A piece of a prompt. Control tokens are matched only inside trusted pieces, so what a user writes cannot
// become one; neighbouring pieces are otherwise encoded as one text, as if they had been written in a row.
struct TextSegment {
  enum class Trust { kUser, kTemplate };
  std::string text;
  Trust trust = Trust::kUser;
  bool operator==(const TextSegment&) const = default;
};

// Text to token ids and back, with exactly the ids of llama.cpp for the same vocabulary.
//
// Source: Sennrich et al. 2016 (BPE), with GPT-2's byte alphabet and pre-tokenizer patterns; Kudo & Richardson
// 2018 (SentencePiece), its bigram merging by score with byte fallback.
// Invalid UTF-8: a BPE vocabulary reads each bad byte as U+FFFD; an SPM vocabulary passes bytes through.
// Thread: immutable, so any number of threads may call it.
class Tokenizer {
 public:
  // Errors: kInvalidArgument naming the GGUF field, the index, the limit; kFailedPrecondition where the regular
  // expression library refuses a pattern.
  static Result<std::unique_ptr<Tokenizer>> create(VocabularyData data);

  // Errors: kInvalidArgument for a text above kTextBytesMax.
  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options = {}) const;
  Result<std::vector<TokenId>> encode(std::span<const TextSegment> segments, bool add_special) const;

  // The raw bytes that the token stands for: possibly part of a character, empty for unused tokens, the name
  // itself for control tokens. Requires: 0 <= token < vocabulary_size().
  std::string_view piece(TokenId token) const;

  // The pieces in a row; not necessarily valid UTF-8. Requires: as piece, for each token.
  std::string decode(std::span<const TokenId> tokens, DecodeOptions options = {}) const;

  std::size_t vocabulary_size() const { return vocabulary_.size(); }  // V
  bool is_valid(TokenId token) const { return token >= 0 && static_cast<std::size_t>(token) < vocabulary_size(); }
  bool is_control(TokenId token) const { return vocabulary_.is_control(token); }

  // Tokens that end an answer, ascending.
  std::span<const TokenId> end_tokens() const { return vocabulary_.end_tokens(); }
  bool is_end(TokenId token) const;

  std::optional<TokenId> bos() const { return vocabulary_.bos(); }
  std::optional<TokenId> eos() const { return vocabulary_.eos(); }
  std::optional<TokenId> padding() const { return vocabulary_.padding(); }
  bool adds_bos() const { return vocabulary_.adds_bos(); }

  // The token written exactly so, "<|im_end|>" for example, where there is one.
  std::optional<TokenId> find(std::string_view written) const { return vocabulary_.find(written); }

  // The file's chat template, empty where it has none.
  const std::string& chat_template_text() const { return chat_template_; }

 private:
  explicit Tokenizer(Vocabulary vocabulary);

  Result<std::vector<TokenId>> encode_ranges(std::string_view text,
                                             const std::vector<TrustedRange>& trusted,
                                             bool add_special) const;
  Result<void> append_spm(std::string_view text, bool after_special, std::vector<TokenId>& out) const;
  Result<void> append_bpe(std::string_view text, std::vector<TokenId>& out) const;

  Vocabulary vocabulary_;
  SpecialSplitter splitter_;
  std::optional<PreTokenizer> pre_tokenizer_;  // BPE only
  std::optional<BpeModel> bpe_;
  std::optional<SpmModel> spm_;
  std::vector<std::string> pieces_;  // [V]
  std::string chat_template_;
};

}  // namespace longshore::text
