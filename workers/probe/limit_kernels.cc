#include "workers/probe/limit_kernels.h"

#include "workers/probe/limit_kernel_tables.h"

namespace longshore::probe {

const LimitKernels& limit_kernels(kernels::Isa isa) {
#if defined(__x86_64__)
  if (isa == kernels::Isa::kAvx512) return kLimitKernelsAvx512;
  if (isa == kernels::Isa::kAvx2) return kLimitKernelsAvx2;
#endif
  (void)isa;
  return kLimitKernelsPortable;
}

}  // namespace longshore::probe
