#include "runtime/kernels/cpu/lanes_avx2.h"

// The lanes come first: everything below is compiled against them.

namespace longshore::attention {
namespace {
// Of 16 registers, a lane vector taking two: 6 x 1 accumulators (12), one vector of B (2), one broadcast.
inline constexpr unsigned kTileRows = 6;
inline constexpr unsigned kTileVectors = 1;
inline constexpr unsigned kFewRowsRun = 6;
inline constexpr unsigned kFewRows = 8;
constexpr unsigned few_key_groups(unsigned rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }
constexpr unsigned few_vectors(unsigned rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }
}  // namespace
}  // namespace longshore::attention

#include "runtime/attention/cpu/attention_inl.h"

namespace longshore::attention {
const AttentionKernels kAttentionKernelsAvx2{"avx2", attend_leaf, merge_partials, normalise_row, exp_values};
}  // namespace longshore::attention
