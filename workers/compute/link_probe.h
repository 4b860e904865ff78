#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "runtime/base/clock.h"
#include "runtime/base/result.h"
#include "runtime/plan/link_report.h"
#include "workers/compute/holders.h"

namespace longshore::compute {

// What travels over the link to be measured.
struct LinkProbeShape {
  std::uint32_t group = 1, kv_heads = 1, head_dim = 0;  // of the model: a query is kv_heads * group * head_dim floats
  std::size_t block_bytes = 0;                          // of one KvBlock
};

// Measures the link to a connected attention node before it is used, in some 10 ms: queries of one row, then queries as large
// as a block, about a sequence that nobody has. So what is timed is the path of a step's queries: checksum, transport,
// decoding, look-up and an answer, with both ends waiting before as they do between two layers. Only the attention is missing.
// Errors: kUnavailable (the node is lost on the way), kDeadlineExceeded. Thread: the compute thread.
Result<LinkReport> measure_link(Holders& holders, NodeId node, const LinkProbeShape& shape, const Clock& clock,
                                std::chrono::milliseconds deadline);

}  // namespace longshore::compute
