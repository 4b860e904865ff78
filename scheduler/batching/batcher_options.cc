#include "scheduler/batching/batcher_options.h"

#include <string_view>

namespace longshore::batching {
namespace {

Result<void> check(std::string_view option, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
  if (value >= least && value <= most) return {};
  return make_error(ErrorCode::kInvalidArgument, option, " is ", value, "; it must be in [", least, ", ", most, "]");
}

}  // namespace

Result<void> validate(const BatcherOptions& o) {
  for (auto result : {check("max_sequences", o.max_sequences, 1, 4096), check("chunk_tokens", o.chunk_tokens, 1, 65536),
                      check("queue_sequences_max", o.queue_sequences_max, 1, 65536),
                      check("context_tokens", o.context_tokens, 1, 1u << 30),
                      check("vocabulary_tokens", o.vocabulary_tokens, 1, 1u << 30),
                      check("kv_leaves", o.kv_leaves, 1, std::uint64_t{1} << 48),
                      check("recomputes_max", o.recomputes_max, 0, 1000)})
    if (!result) return result;
  if (!(o.decode_share >= 0 && o.decode_share <= 0.95))
    return make_error(ErrorCode::kInvalidArgument, "decode_share is ", o.decode_share, "; it must be in [0, 0.95]");
  return {};
}

}  // namespace longshore::batching
