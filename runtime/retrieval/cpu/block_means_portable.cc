#include "runtime/kernels/cpu/lanes_portable.h"

// The lanes come first: everything below is compiled against them.

namespace longshore::retrieval {
namespace {
inline constexpr int kScoreRows = 2;  // No registers to fill.
}  // namespace
}  // namespace longshore::retrieval

#include "runtime/retrieval/cpu/block_means_inl.h"

namespace longshore::retrieval {
const MeanKernels kMeanKernelsPortable{"portable", means, score, exp_values};
}  // namespace longshore::retrieval
