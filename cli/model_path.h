#pragma once

#include <string>

#include "runtime/base/result.h"

namespace longshore::cli {

// Path of a model file: `model` itself where such a file exists, else a NAME of deploy/models/fetch in the model cache
// (${LONGSHORE_MODELS}, or ${XDG_CACHE_HOME:-~/.cache}/longshore/models).
// Errors: kNotFound with the command that fetches it.
Result<std::string> find_model(const std::string& model);

}  // namespace longshore::cli
