#include "runtime/kernels/kernel_table.h"

#include "runtime/base/check.h"

namespace longshore::kernels {

const KernelTable& kernel_table(Isa isa) {
  CHECK(is_supported(isa)) << to_string(isa) << " on a CPU without it";
  static const KernelTable portable{Isa::kPortable, kRowKernelsPortable, matrix_kernels(Isa::kPortable)};
  if (isa == Isa::kPortable) return portable;
  static const KernelTable avx2{Isa::kAvx2, kRowKernelsAvx2, matrix_kernels(Isa::kAvx2)};
  if (isa == Isa::kAvx2) return avx2;
  static const KernelTable avx512{Isa::kAvx512, kRowKernelsAvx512, matrix_kernels(Isa::kAvx512)};
  return avx512;
}

}  // namespace longshore::kernels
