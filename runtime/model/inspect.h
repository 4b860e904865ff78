#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/result.h"
#include "runtime/model/gguf.h"
#include "runtime/model/model_config.h"
#include "runtime/tensor/dtype.h"

namespace longshore::model {

// Bytes of K and V of one token in all layers, as stored in whole leaves of the codec.
std::uint64_t kv_bytes_per_token(const ModelConfig& config, Dtype dtype);

// What `longshore model inspect FILE` prints: the file, its metadata (arrays as counts), tensors and bytes by format,
// parameters, and, where the model is one that this runtime computes, its shape and KV bytes per token; else the
// reason why not. Text for people.
std::string describe(const GgufFile& file);

// The same as one JSON object: path, sha256, version, bytes, parameters, metadata {key: value}, formats [{name, tensors,
// elements, bytes}], tensors [{name, format, shape, bytes}], and either config {...} or unsupported "reason".
std::string describe_json(const GgufFile& file);

}  // namespace longshore::model
