#pragma once

#include "runtime/kernels/matrix_kernels.h"

namespace longshore::kernels {

// One table per translation unit that is compiled for one instruction set. Use matrix_kernels(isa).
extern const MatrixKernels kMatrixKernelsPortable;
extern const MatrixKernels kMatrixKernelsAvx2;
extern const MatrixKernels kMatrixKernelsAvx512;

// Quantising is a small part of a product: AVX-512 machines use this, too.
void quantize_row_avx2(const float* x, std::size_t columns, ActivationRun* first, std::size_t stride);

}  // namespace longshore::kernels
