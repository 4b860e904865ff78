#pragma once

#include "runtime/base/result.h"
#include "runtime/model/gguf.h"
#include "runtime/text/vocabulary_data.h"

namespace longshore::model {

// The tokens of a model file (tokenizer.ggml.*) and its chat template, as text::Tokenizer::create takes them.
// Errors: kNotFound where tokenizer.ggml.model is missing, kInvalidArgument naming the key where one has another type.
// What the values mean, and whether there are any tokens, is checked by Tokenizer::create.
Result<text::VocabularyData> read_vocabulary(const GgufFile& file);

}  // namespace longshore::model
