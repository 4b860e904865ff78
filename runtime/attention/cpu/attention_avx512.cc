#include "runtime/kernels/cpu/lanes_avx512.h"

// The lanes come first: everything below is compiled against them.

namespace longshore::attention {
namespace {
// Of 32 registers: 12 x 2 accumulators, two of B, one broadcast; in decode 24 + 4 + 1 at six rows.
inline constexpr unsigned kTileRows = 12;
inline constexpr unsigned kTileVectors = 2;
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
