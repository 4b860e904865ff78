#pragma once

#include <memory>

#include "runtime/text/tokenizer.h"
#include "tests/unit/runtime/text/small_vocabulary.h"

namespace longshore::cli::eval {

// A tokenizer of single bytes and a few pieces.
inline std::unique_ptr<text::Tokenizer> byte_tokenizer(const std::string& chat_template = "") {
  text::VocabularyData data = text::small_bpe();
  data.chat_template = chat_template;
  return text::Tokenizer::create(std::move(data)).value();
}

inline std::unique_ptr<text::Tokenizer> spm_tokenizer() { return text::Tokenizer::create(text::small_spm()).value(); }

}  // namespace longshore::cli::eval
