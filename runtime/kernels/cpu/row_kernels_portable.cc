#include "runtime/kernels/cpu/lanes_portable.h"
// The lanes come first: what follows is written over them.
#include "runtime/kernels/cpu/row_kernels_inl.h"

namespace longshore::kernels {

constinit const RowKernels kRowKernelsPortable = row_kernels("portable");

}  // namespace longshore::kernels
