#pragma once

#include <chrono>

#include "runtime/attention/attend.h"
#include "runtime/base/result.h"
#include "runtime/base/thread_pool.h"

namespace longshore::probe {

// What attention over held leaves costs on this machine: `query_seconds` + bytes / `bytes_per_second`.
struct AttentionRate {
  double bytes_per_second = 0;  // of KV, by all threads together, from memory
  double query_seconds = 0;     // of one parallel region: waking the threads, and the first leaves of each KV head
};

// Attends with the kernel, the KV type and the shapes that will be used, over more memory than caches hold, for about
// `duration`: regions of the size of a long context's layer, and regions of one leaf per KV head; the cost is the line through
// the medians of both. What a placement's shares follow. Thread: one; spreads over the pool.
// Errors: kResourceExhausted (memory), and those of attending.
Result<AttentionRate> attention_rate(const attention::AttentionKernels& kernels, const attention::AttendShape& shape,
                                     std::uint32_t kv_heads, ThreadPool& pool, std::chrono::milliseconds duration);

}  // namespace longshore::probe
