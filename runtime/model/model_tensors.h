#pragma once

#include "runtime/base/result.h"
#include "runtime/model/gguf.h"
#include "runtime/model/model_config.h"

namespace longshore::model {

// Whether the file has exactly the tensors that the configuration asks for, in their shapes.
// Errors: kInvalidArgument naming the tensor that is missing, has another shape, or is not known to this runtime.
Result<void> check_tensors(const GgufFile& file, const ModelConfig& config);

}  // namespace longshore::model
