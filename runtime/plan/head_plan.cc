#include "runtime/plan/head_plan.h"

#include <algorithm>

namespace longshore {

bool HeadPlan::sees_all() const {
  return std::all_of(rules.begin(), rules.end(), [](const HeadRule& rule) { return rule.sees_all(); });
}

bool HeadPlan::is_narrow() const {
  return !rules.empty() && std::none_of(rules.begin(), rules.end(), [](const HeadRule& rule) { return rule.sees_all(); });
}

Result<void> validate(const HeadPlan& plan, std::uint32_t layers, std::uint32_t kv_heads) {
  const std::size_t heads = std::size_t{layers} * kv_heads;
  if (plan.rules.size() > 1 && plan.rules.size() != heads)
    return make_error(ErrorCode::kInvalidArgument, "a head plan has ", plan.rules.size(), " rules; the model has ", layers,
                      " layers of ", kv_heads, " KV heads, so it must be 0, 1 or ", heads);
  for (const HeadRule& rule : plan.rules) {
    if (rule.sinks > kLeafTokens)
      return make_error(ErrorCode::kInvalidArgument, "a head plan has ", rule.sinks, " sinks; at most ", kLeafTokens,
                        " are possible");
    if (rule.sinks > 0 && rule.sees_all())
      return make_error(ErrorCode::kInvalidArgument, "a head plan has sinks without a window");
  }
  constexpr std::uint32_t kBudgetMin = SelectionRule::kAlways + SelectionRule::kUnit;
  if (plan.selection.selects() && plan.selection.budget < kBudgetMin)
    return make_error(ErrorCode::kInvalidArgument, "a budget is ", plan.selection.budget, " positions; it must be at least ",
                      kBudgetMin);
  return {};
}

std::string to_text(const HeadPlan& plan) {
  if (plan.sees_all()) return "full";
  std::string text = "heads";
  for (const HeadRule& rule : plan.rules) text += ' ' + std::to_string(rule.sinks) + '+' + std::to_string(rule.window);
  return text;
}

std::string decode_text(const HeadPlan& plan) {
  if (!plan.selection.selects()) return "";
  return "block-mean " + std::to_string(plan.selection.units());
}

}  // namespace longshore
