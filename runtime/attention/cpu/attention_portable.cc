#include "runtime/kernels/cpu/lanes_portable.h"

// The lanes come first: everything below is compiled against them.

namespace longshore::attention {
namespace {
// No registers to fill: small tiles keep the compiler's work small.
inline constexpr unsigned kTileRows = 4;
inline constexpr unsigned kTileVectors = 1;
inline constexpr unsigned kFewRowsRun = 2;
inline constexpr unsigned kFewRows = 8;
constexpr unsigned few_key_groups(unsigned) { return 1; }
constexpr unsigned few_vectors(unsigned) { return 1; }
}  // namespace
}  // namespace longshore::attention

#include "runtime/attention/cpu/attention_inl.h"

namespace longshore::attention {
const AttentionKernels kAttentionKernelsPortable{"portable", attend_leaf, merge_partials, normalise_row,
                                                 exp_values};
}  // namespace longshore::attention
