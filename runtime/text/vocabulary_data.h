#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/ids.h"

namespace longshore::text {

// Kinds of token, with the numbers that GGUF's `tokenizer.ggml.token_type` stores.
enum class TokenKind : std::int32_t {
  kUndefined = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,      // a marker of the chat format: matched only in trusted text
  kUserDefined = 4,  // matched as a whole in any text, before everything else
  kUnused = 5,       // never produced, decodes to nothing
  kByte = 6,         // "<0x41>" of an SPM vocabulary
};

// What a model file says about its tokens: plain data, unchecked; Tokenizer::create checks it.
// An absent optional takes the tokenizer model's own default, as documented at Vocabulary.
struct VocabularyData {
  std::string model;                    // "gpt2" (byte-level BPE) or "llama" (SPM)
  std::string pre;                      // BPE only: name of the pre-tokenizer
  std::vector<std::string> tokens;      // [V]; the index is the id
  std::vector<float> scores;            // [V] for SPM, else may be empty
  std::vector<std::int32_t> kinds;      // [V] of TokenKind; empty: all are normal
  std::vector<std::string> merges;      // BPE: "left right", the index is the rank
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::optional<TokenId> eot;
  std::optional<TokenId> eom;
  std::optional<TokenId> unknown;
  std::optional<TokenId> padding;
  std::optional<TokenId> fim_padding;
  std::optional<TokenId> fim_repository;
  std::optional<TokenId> fim_separator;
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
  std::optional<bool> add_space_prefix;
  std::string chat_template;            // empty: the model has none
};

}  // namespace longshore::text
