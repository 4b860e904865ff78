#include "runtime/kernels/cpu/lanes_avx2.h"

// The lanes come first: everything below is compiled against them.

namespace longshore::retrieval {
namespace {
inline constexpr int kScoreRows = 6;  // 6 rows of two registers each, 2 of means, 1 broadcast of 16.
}  // namespace
}  // namespace longshore::retrieval

#include "runtime/retrieval/cpu/block_means_inl.h"

namespace longshore::retrieval {
const MeanKernels kMeanKernelsAvx2{"avx2", means, score, exp_values};
}  // namespace longshore::retrieval
