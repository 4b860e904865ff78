#include "runtime/kernels/cpu/lanes_avx512.h"

// The lanes come first: everything below is compiled against them.

namespace longshore::retrieval {
namespace {
inline constexpr int kScoreRows = 8;  // Enough chains to hide a multiplication's latency.
}  // namespace
}  // namespace longshore::retrieval

#include "runtime/retrieval/cpu/block_means_inl.h"

namespace longshore::retrieval {
const MeanKernels kMeanKernelsAvx512{"avx512", means, score, exp_values};
}  // namespace longshore::retrieval
