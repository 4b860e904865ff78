#pragma once

#include <string>

#include "runtime/base/result.h"

namespace longshore::cli {

// Path of a model file: `model` itself where such a file exists, else a NAME of deploy/models/fetch in the model cache
// (${LONGSHORE_MODELS}, or ${XDG_CACHE_HOME:-~/.cache}/longshore/models).
// Errors: kNotFound with the command that fetches it.
Result<std::string> find_model(const std::string& model);

// Where a model file's matrices are kept in the order of the kernels, for the next start (model::WeightCache): a file in
// ${LONGSHORE_WEIGHTS}, or ${XDG_CACHE_HOME:-~/.cache}/longshore/weights; empty where LONGSHORE_WEIGHTS is: none is kept.
std::string weight_cache_of(const std::string& model_path);

}  // namespace longshore::cli
