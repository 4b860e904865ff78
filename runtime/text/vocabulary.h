#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/text/vocabulary_data.h"

namespace longshore::text {

// The checked table of tokens: id to text, text to id, kinds, special ids, and which tokens end an answer.
//
// Defaults where the file is silent: SPM has BOS 1, EOS 2, unknown 0, adds BOS and a space prefix; BPE has no
// special ids and adds nothing, but the `llama-bpe` family adds BOS. Kinds are corrected as llama.cpp does, since
// ids must agree with it: a token written like an end or fill-in-the-middle marker is a control token whatever
// the file calls it.
// Thread: immutable.
class Vocabulary {
 public:
  enum class Model { kBpe, kSpm };

  // Errors: kInvalidArgument naming the field, the index and the limit.
  static Result<Vocabulary> create(VocabularyData data);
  Vocabulary(Vocabulary&&) = default;  // the index points into the table, whose elements a move leaves in place
  Vocabulary& operator=(Vocabulary&&) = default;

  Model model() const { return model_; }
  std::size_t size() const { return tokens_.size(); }  // V
  const std::string& text(TokenId id) const { return tokens_[static_cast<std::size_t>(id)]; }
  float score(TokenId id) const { return scores_[static_cast<std::size_t>(id)]; }  // SPM only
  std::optional<TokenId> find(std::string_view text) const;

  TokenKind kind(TokenId id) const { return kinds_[static_cast<std::size_t>(id)].stored; }
  bool is_control(TokenId id) const;       // control or unknown: matched only in trusted text
  bool is_user_defined(TokenId id) const;  // matched in any text

  std::span<const TokenId> end_tokens() const { return end_tokens_; }
  std::optional<TokenId> bos() const { return bos_; }
  std::optional<TokenId> eos() const { return eos_; }
  std::optional<TokenId> padding() const { return padding_; }
  bool adds_bos() const { return adds_bos_; }
  bool adds_eos() const { return adds_eos_; }
  bool adds_space_prefix() const { return adds_space_prefix_; }

 private:
  struct Kind {
    TokenKind stored = TokenKind::kNormal;
    bool control = false;  // by its text, beside what is stored
  };

  Vocabulary() = default;
  Result<void> index_tokens();
  Result<void> read_kinds(const std::vector<std::int32_t>& kinds);
  Result<void> read_special_ids(const VocabularyData& data);
  void find_end_tokens(const VocabularyData& data);
  std::optional<TokenId> mark_control(std::span<const std::string_view> candidates);

  Model model_ = Model::kBpe;
  std::vector<std::string> tokens_;                        // [V]; never changes after the index is built
  std::vector<float> scores_;                              // [V] or empty
  std::vector<Kind> kinds_;                                // [V]
  std::unordered_map<std::string_view, TokenId> by_text_;  // views into tokens_
  std::vector<TokenId> end_tokens_;                        // ascending
  std::optional<TokenId> bos_;
  std::optional<TokenId> eos_;
  std::optional<TokenId> padding_;
  bool adds_bos_ = false;
  bool adds_eos_ = false;
  bool adds_space_prefix_ = false;
};

}  // namespace longshore::text
