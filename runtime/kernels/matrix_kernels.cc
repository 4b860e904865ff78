#include "runtime/kernels/matrix_kernels.h"

#include "runtime/base/check.h"
#include "runtime/kernels/cpu/matrix_kernel_tables.h"

namespace longshore::kernels {

const MatrixKernels& matrix_kernels(Isa isa) {
  CHECK(is_supported(isa)) << to_string(isa);
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return kMatrixKernelsAvx512;
  if (isa == Isa::kAvx2) return kMatrixKernelsAvx2;
#endif
  return kMatrixKernelsPortable;
}

}  // namespace longshore::kernels
