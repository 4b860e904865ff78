#include "runtime/retrieval/block_means.h"

#include "runtime/base/check.h"

namespace longshore::retrieval {

const MeanKernels& mean_kernels(kernels::Isa isa) {
  CHECK(kernels::is_supported(isa)) << kernels::to_string(isa);
#if defined(__x86_64__)
  if (isa == kernels::Isa::kAvx512) return kMeanKernelsAvx512;
  if (isa == kernels::Isa::kAvx2) return kMeanKernelsAvx2;
#endif
  return kMeanKernelsPortable;
}

}  // namespace longshore::retrieval
