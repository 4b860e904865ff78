#pragma once

#include <cstdint>

namespace longshore::cli::eval {

// How probable it is that two runs that are equally good differ at least as one-sidedly as they did, where `lost` samples
// were right in the first only and `gained` in the second only:
//   min(1, 2 sum_{k <= min(b, c)} C(b + c, k) / 2^(b + c)); 1 where they never differed.
// Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions", in its exact form.
double mcnemar(std::uint32_t lost, std::uint32_t gained);

}  // namespace longshore::cli::eval
