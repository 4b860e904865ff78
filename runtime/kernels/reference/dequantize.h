#pragma once

#include <cstddef>

#include "runtime/kernels/weight_format.h"

namespace longshore::kernels::reference {

// The definition of each weight format: `count` values (whole blocks) of a GGUF row, in f32 as the format's formula gives
// them. Written from the block definitions, sharing nothing with the packed path.
void dequantize(WeightFormat format, const std::byte* file, std::size_t count, float* out);

// The product's definition: sum over k of x[k] * w[k] in double. Sets `magnitude` to the sum of |x[k] * w[k]|, the scale
// of any error bound.
double dot(const float* x, const float* w, std::size_t count, double* magnitude);

}  // namespace longshore::kernels::reference
