#include "runtime/kernels/cpu/lanes_avx512.h"
// The lanes come first: what follows is written over them.
#include "runtime/kernels/cpu/row_kernels_inl.h"

namespace longshore::kernels {

constinit const RowKernels kRowKernelsAvx512 = row_kernels("avx512");

}  // namespace longshore::kernels
