#include "scheduler/batching/admission.h"

#include <algorithm>

#include "runtime/plan/leaf.h"

namespace longshore::batching {

Result<void> check_request(const SequenceRequest& request, const BatcherOptions& options) {
  if (request.prompt.empty()) return make_error(ErrorCode::kInvalidArgument, "the prompt is empty: at least one token is needed");
  for (std::size_t i = 0; i < request.prompt.size(); ++i) {
    const TokenId token = request.prompt[i];
    if (token < 0 || static_cast<std::uint32_t>(token) >= options.vocabulary_tokens)
      return make_error(ErrorCode::kInvalidArgument, "prompt token ", i, " is ", token, "; the vocabulary has ids 0 to ",
                        options.vocabulary_tokens - 1);
  }
  const std::uint64_t tokens = std::uint64_t{request.prompt.size()} + request.max_tokens;
  if (tokens > options.context_tokens)
    return make_error(ErrorCode::kInvalidArgument, "a prompt of ", request.prompt.size(), " tokens and max_tokens of ",
                      request.max_tokens, " exceed the context of ", options.context_tokens, " tokens");
  if (auto sampling = validate(request.sampling); !sampling) return sampling.error();
  const std::uint64_t rows = request.max_tokens == 0 ? tokens : tokens - 1;
  if (leaves_for(rows) > options.kv_leaves)
    return make_error(ErrorCode::kResourceExhausted, "a prompt of ", request.prompt.size(), " tokens and max_tokens of ",
                      request.max_tokens, " need ", leaves_for(rows), " leaves of KV; all nodes together have ",
                      options.kv_leaves, " (", options.kv_leaves * kLeafTokens, " tokens)");
  return {};
}

std::uint64_t leaves_to_admit(const Sequence& sequence) {
  return std::min<std::uint64_t>(std::uint64_t{leaves_for(sequence.tokens.size())} + 1, leaves_for(sequence.rows_max()));
}

}  // namespace longshore::batching
