#include "cli/eval/positions_read.h"

namespace longshore::cli::eval {
namespace {

double read(const HeadRule& rule, const SelectionRule& selection, std::uint32_t prompt_tokens, std::uint32_t begin,
            std::uint32_t end) {
  double sum = 0;
  for (std::uint64_t row = begin; row < end; ++row) {
    if (rule.sees_all() && row >= prompt_tokens) {
      sum += static_cast<double>(selection.positions_read(row));
      continue;
    }
    const std::uint64_t first = rule.window_begin(row);
    sum += static_cast<double>(row + 1 - first + (first > 0 ? rule.sinks : 0));
  }
  return sum;
}

}  // namespace

PositionsRead positions_read(const model::ModelConfig& config, const HeadPlan& heads, std::uint32_t prompt_tokens,
                             std::uint32_t begin, std::uint32_t end) {
  PositionsRead sum;
  const HeadPlan all;
  for (std::uint32_t layer = 0; layer < config.layers; ++layer)
    for (std::uint32_t head = 0; head < config.kv_heads; ++head)
      sum.add(
          {read(config.head_rule(heads, layer, head), heads.selection, prompt_tokens, begin, end),
           read(config.head_rule(all, layer, head), {}, prompt_tokens, begin, end)});
  return sum;
}

}  // namespace longshore::cli::eval
