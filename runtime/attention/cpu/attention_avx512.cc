#include "runtime/kernels/cpu/lanes_avx512.h"

// The lanes come first: everything below is compiled against them.

namespace longshore::attention {
namespace {
// Of 32 registers: 6 x 4 accumulators, four of B, one broadcast; in decode the same at six rows. Of all shapes that fit it
// loads least for each fma, which is what counts beside a busy sibling (12 x 2: 0.60 of the peak there, this 0.68; alone
// 0.91 and 0.94).
inline constexpr unsigned kTileRows = 6;
inline constexpr unsigned kTileVectors = 4;
inline constexpr unsigned kFewRowsRun = 6;
inline constexpr unsigned kFewRows = 8;
constexpr unsigned few_key_groups(unsigned) { return 4; }
constexpr unsigned few_vectors(unsigned rows) { return rows <= 3 ? 8 : 4; }
}  // namespace
}  // namespace longshore::attention

#include "runtime/attention/cpu/attention_inl.h"

namespace longshore::attention {
const AttentionKernels kAttentionKernelsAvx512{"avx512", attend_leaf, merge_partials, normalise_row,
                                               exp_values};
}  // namespace longshore::attention
