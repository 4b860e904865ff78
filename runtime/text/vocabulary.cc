#include "runtime/text/vocabulary.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/text/pre_tokenizer.h"

namespace longshore::text {
namespace {

constexpr std::size_t kTokensMax = 1u << 22;  // 16 times the largest vocabulary in use

// Which texts mark the tokens that end an answer, in the order of preference where only one is taken.
// Source: llama.cpp's lists, which the ids must agree with.
constexpr std::array<std::string_view, 11> kEndOfTurn = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>",
    "_<EOT>", "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>"};
constexpr std::array<std::string_view, 1> kEndOfMessage = {"<|eom_id|>"};
constexpr std::array<std::string_view, 8> kFimPrefix = {
    "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>",
    "<|prefix|>"};
constexpr std::array<std::string_view, 8> kFimSuffix = {
    "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>",
    "<|suffix|>"};
constexpr std::array<std::string_view, 8> kFimMiddle = {
    "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>",
    "<|middle|>"};
constexpr std::array<std::string_view, 5> kFimPadding = {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"};
constexpr std::array<std::string_view, 5> kFimRepository = {
    "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"};
constexpr std::array<std::string_view, 1> kFimSeparator = {"<|file_sep|>"};
constexpr std::array<std::string_view, 22> kEndOfGeneration = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
    "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~["};

}  // namespace

Result<Vocabulary> Vocabulary::create(VocabularyData data) {
  Vocabulary vocabulary;
  if (data.model == "gpt2") {
    vocabulary.model_ = Model::kBpe;
  } else if (data.model == "llama") {
    vocabulary.model_ = Model::kSpm;
  } else {
    return make_error(ErrorCode::kInvalidArgument, "tokenizer.ggml.model is \"", data.model,
                      "\": only gpt2 (BPE) and llama (SPM) vocabularies are supported");
  }
  vocabulary.tokens_ = std::move(data.tokens);
  vocabulary.scores_ = std::move(data.scores);
  if (auto indexed = vocabulary.index_tokens(); !indexed) return indexed.error();
  if (auto read = vocabulary.read_kinds(data.kinds); !read) return read.error();
  if (auto read = vocabulary.read_special_ids(data); !read) return read.error();
  vocabulary.find_end_tokens(data);
  return vocabulary;
}

Result<void> Vocabulary::index_tokens() {
  if (tokens_.empty() || tokens_.size() > kTokensMax) {
    return make_error(ErrorCode::kInvalidArgument, "tokenizer.ggml.tokens has ", tokens_.size(),
                      " entries; there must be 1 to ", kTokensMax);
  }
  by_text_.reserve(tokens_.size());
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (tokens_[i].empty()) tokens_[i] = "[EMPTY_" + std::to_string(i) + "]";
    const auto [place, is_new] = by_text_.emplace(tokens_[i], static_cast<TokenId>(i));
    if (!is_new) {
      return make_error(ErrorCode::kInvalidArgument, "tokenizer.ggml.tokens[", i, "] is the same as [",
                        place->second, "], \"", tokens_[i], "\"; each token may appear once");
    }
  }
  if (model_ != Model::kSpm) return {};
  if (scores_.size() != tokens_.size()) {
    return make_error(ErrorCode::kInvalidArgument, "tokenizer.ggml.scores has ", scores_.size(), " entries for ",
                      tokens_.size(), " tokens; an SPM vocabulary needs one each");
  }
  for (std::size_t i = 0; i < scores_.size(); ++i) {
    if (!std::isfinite(scores_[i])) {
      return make_error(ErrorCode::kInvalidArgument, "tokenizer.ggml.scores[", i, "] is not a finite number");
    }
  }
  return {};
}

Result<void> Vocabulary::read_kinds(const std::vector<std::int32_t>& kinds) {
  kinds_.resize(tokens_.size());
  if (kinds.empty()) return {};
  if (kinds.size() != tokens_.size()) {
    return make_error(ErrorCode::kInvalidArgument, "tokenizer.ggml.token_type has ", kinds.size(), " entries for ",
                      tokens_.size(), " tokens");
  }
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const bool known = kinds[i] >= 0 && kinds[i] <= static_cast<std::int32_t>(TokenKind::kByte);
    kinds_[i].stored = known ? static_cast<TokenKind>(kinds[i]) : TokenKind::kUndefined;
  }
  return {};
}

Result<void> Vocabulary::read_special_ids(const VocabularyData& data) {
  const struct {
    std::string_view key;
    const std::optional<TokenId>& id;
  } named[] = {{"bos", data.bos},
               {"eos", data.eos},
               {"eot", data.eot},
               {"eom", data.eom},
               {"unknown", data.unknown},
               {"padding", data.padding},
               {"fim_pad", data.fim_padding},
               {"fim_rep", data.fim_repository},
               {"fim_sep", data.fim_separator}};
  for (const auto& [key, id] : named) {
    if (id && (*id < 0 || static_cast<std::size_t>(*id) >= size())) {
      return make_error(ErrorCode::kInvalidArgument, "tokenizer.ggml.", key, "_token_id is ", *id,
                        ", outside the vocabulary of ", size(), " tokens");
    }
  }
  const bool is_spm = model_ == Model::kSpm;
  const auto spm_default = [&](TokenId id) {
    const bool exists = is_spm && static_cast<std::size_t>(id) < size();
    return exists ? std::optional<TokenId>(id) : std::nullopt;
  };
  bos_ = data.bos ? data.bos : spm_default(1);
  eos_ = data.eos ? data.eos : spm_default(2);
  padding_ = data.padding;
  adds_bos_ = data.add_bos.value_or(is_spm || adds_bos_by_default(data.pre));
  adds_eos_ = data.add_eos.value_or(false);
  adds_space_prefix_ = is_spm && data.add_space_prefix.value_or(true);
  if ((adds_bos_ && !bos_) || (adds_eos_ && !eos_)) {
    const std::string_view which = adds_bos_ && !bos_ ? "bos" : "eos";
    return make_error(ErrorCode::kInvalidArgument, "a text begins or ends with the ", which,
                      " token here, but tokenizer.ggml.", which, "_token_id is missing");
  }
  return {};
}

std::optional<TokenId> Vocabulary::mark_control(std::span<const std::string_view> candidates) {
  for (const std::string_view candidate : candidates) {
    if (const auto id = find(candidate)) {
      kinds_[static_cast<std::size_t>(*id)].control = true;
      return id;
    }
  }
  return std::nullopt;
}

void Vocabulary::find_end_tokens(const VocabularyData& data) {
  std::vector<TokenId> ends;
  const auto add = [&ends](std::optional<TokenId> id) {
    if (id) ends.push_back(*id);
  };
  const auto named_or = [this](std::optional<TokenId> named, std::span<const std::string_view> candidates) {
    return named ? named : mark_control(candidates);
  };
  mark_control(kFimPrefix);
  mark_control(kFimSuffix);
  mark_control(kFimMiddle);
  add(named_or(data.fim_padding, kFimPadding));
  add(named_or(data.fim_repository, kFimRepository));
  add(named_or(data.fim_separator, kFimSeparator));
  add(named_or(data.eot, kEndOfTurn));
  add(named_or(data.eom, kEndOfMessage));
  add(eos_);
  for (const std::string_view candidate : kEndOfGeneration) {
    add(mark_control(std::span(&candidate, 1)));
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  end_tokens_ = std::move(ends);
}

std::optional<TokenId> Vocabulary::find(std::string_view text) const {
  const auto place = by_text_.find(text);
  if (place == by_text_.end()) return std::nullopt;
  return place->second;
}

bool Vocabulary::is_control(TokenId id) const {
  const Kind& kind = kinds_[static_cast<std::size_t>(id)];
  return kind.control || kind.stored == TokenKind::kControl || kind.stored == TokenKind::kUnknown;
}

bool Vocabulary::is_user_defined(TokenId id) const { return kind(id) == TokenKind::kUserDefined && !is_control(id); }

}  // namespace longshore::text
