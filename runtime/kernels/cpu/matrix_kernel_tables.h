#pragma once

#include "runtime/kernels/matrix_kernels.h"

namespace longshore::kernels {

// One table per translation unit that is compiled for one instruction set. Use matrix_kernels(isa).
extern const MatrixKernels kMatrixKernelsPortable;
extern const MatrixKernels kMatrixKernelsAvx2;
extern const MatrixKernels kMatrixKernelsAvx512;

}  // namespace longshore::kernels
