#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "scheduler/placement/explanation.h"
#include "transport/http/reply.h"

namespace longshore::gateway {

// The explanation of a plan as JSON, as GET /explain of `serve` and of a scheduler's control port answers it:
//   {model, kv_type, sequences, context_tokens,
//    nodes: [{node, role, name, cores, memory_bytes, read_bytes_per_second, query_seconds, step_seconds, row_seconds,
//             link_latency_seconds, link_bytes_per_second, threads}],
//    chosen: PLAN, why, next_best: PLAN or null, why_not, idle: [{node, name, why}]}
//   PLAN: {name, generation, holders: [[node, ...] per KV head], dense_seconds, attention_seconds, step_seconds, kv_leaves,
//          fits, tokens_lost_max, nodes: [{node, name, share, bytes_held, bytes_read, bytes_sent, read_seconds,
//          link_seconds, latency_seconds, step_seconds, tokens_lost}]}
std::string explanation_json(const placement::Explanation& explanation);

// Errors: kInternal naming the field that is missing or out of range: another release answers there.
Result<placement::Explanation> parse_explanation(std::string_view json);

// GET /explain. `explain` is called on a worker thread; its error becomes the answer.
http::Route explain_route(std::function<Result<placement::Explanation>()> explain);

}  // namespace longshore::gateway
