#include "runtime/kernels/cpu/lanes_avx2.h"
// The lanes come first: what follows is written over them.
#include "runtime/kernels/cpu/row_kernels_inl.h"

namespace longshore::kernels {

constinit const RowKernels kRowKernelsAvx2 = row_kernels("avx2");

}  // namespace longshore::kernels
