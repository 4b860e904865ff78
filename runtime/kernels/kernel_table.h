#pragma once

#include "runtime/base/result.h"
#include "runtime/kernels/isa.h"
#include "runtime/kernels/matrix_kernels.h"
#include "runtime/kernels/row_kernels.h"

namespace longshore::kernels {

// The operations of one device, chosen once at start: what an instruction set or a GPU has to offer to be one.
struct KernelTable {
  Isa isa;
  const RowKernels& row;
  const MatrixKernels& matrix;
};

const KernelTable& kernel_table(Isa isa);

}  // namespace longshore::kernels
