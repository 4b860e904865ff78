#pragma once

#include <cstdint>

#include "runtime/base/result.h"
#include "scheduler/batching/batcher_options.h"
#include "scheduler/batching/sequence.h"

namespace longshore::batching {

// Whether a request can ever be served under these budgets.
// Errors: kInvalidArgument (empty prompt, token outside the vocabulary, longer than the context, sampling parameter out
// of range), kResourceExhausted (longer than all KV room). Each names the numbers.
Result<void> check_request(const SequenceRequest& request, const BatcherOptions& options);

// Leaves that a sequence must find free to be admitted: for the tokens it has, and one leaf more so that it can produce
// a while before it needs room again; never more than its longest answer needs.
std::uint64_t leaves_to_admit(const Sequence& sequence);

}  // namespace longshore::batching
