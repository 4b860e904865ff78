#include "runtime/kernels/matrix_kernels.h"

#include "runtime/base/check.h"
#include "runtime/kernels/cpu/matrix_kernel_tables.h"

namespace longshore::kernels {

const MatrixKernels& matrix_kernels(Isa isa) {
  CHECK(is_supported(isa)) << to_string(isa);
  return kMatrixKernelsPortable;
}

}  // namespace longshore::kernels
