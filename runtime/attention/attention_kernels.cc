#include "runtime/attention/attention_kernels.h"

#include "runtime/base/check.h"

namespace longshore::attention {

const AttentionKernels& attention_kernels(kernels::Isa isa) {
  CHECK(kernels::is_supported(isa)) << kernels::to_string(isa);
#if defined(__x86_64__)
  if (isa == kernels::Isa::kAvx512) return kAttentionKernelsAvx512;
  if (isa == kernels::Isa::kAvx2) return kAttentionKernelsAvx2;
#endif
  return kAttentionKernelsPortable;
}

}  // namespace longshore::attention
