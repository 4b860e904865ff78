#include "scheduler/placement/planner.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

#include "scheduler/placement/shares.h"

namespace longshore::placement {
namespace {

// Below this, a difference between predictions is within their own error.
constexpr double kAsGood = 1.03;
// Among repetitions of one pattern, whose partials cost little and are counted.
constexpr double kAsBalanced = 1.01;
// A share this close to a whole number of heads is one: cutting a head for less costs more than it balances.
constexpr double kNearlyWhole = 0.03;

using Pattern = std::vector<NodeId>;

Result<void> check(const PlannerInput& input) {
  if (auto valid = validate(input.model); !valid) return valid.error();
  if (auto valid = validate(input.workload); !valid) return valid.error();
  if (std::ranges::count(input.nodes, NodeRole::kCompute, &NodeDescriptor::role) != 1)
    return make_error(ErrorCode::kInvalidArgument, "a plan needs exactly one compute node; there are ",
                      std::ranges::count(input.nodes, NodeRole::kCompute, &NodeDescriptor::role));
  for (std::size_t i = 0; i < input.nodes.size(); ++i) {
    const NodeDescriptor& node = input.nodes[i];
    if (!(node.read_bytes_per_second > 0) || !std::isfinite(node.read_bytes_per_second))
      return make_error(ErrorCode::kInvalidArgument, "node ", node.name, " has a read bandwidth of ",
                        node.read_bytes_per_second, " bytes/s; it must be measured first");
    for (std::size_t j = 0; j < i; ++j)
      if (input.nodes[j].id == node.id)
        return make_error(ErrorCode::kInvalidArgument, "nodes ", input.nodes[j].name, " and ", node.name,
                          " have the same id ", node.id.value);
  }
  return {};
}

std::vector<Holder> holders_of(const PlannerInput& input) {
  // Cuts are in 64ths of a head and the last round of stripes may end anywhere: plan to fill a little less.
  constexpr double kPackingLoss = 1.05;
  const double needed = kPackingLoss * static_cast<double>(std::max<std::uint64_t>(1, leaves_handed_over(input.workload.context_tokens)) *
                                            leaf_bytes(input.model)) *
                        input.workload.sequences;
  std::vector<Holder> holders;
  for (const NodeDescriptor& node : input.nodes)
    if (node.role == NodeRole::kAttention && node.memory_bytes > 0 && needed > 0)
      holders.push_back({node.id, node.read_bytes_per_second, static_cast<double>(node.memory_bytes) / needed});
  std::ranges::sort(holders, {}, &Holder::node);
  return holders;
}

// Each head to the node that is then least overloaded, among those with room for it.
std::vector<Pattern> by_heads(const std::vector<Holder>& holders, const std::vector<double>& shares,
                              std::uint32_t kv_heads) {
  std::vector<std::uint32_t> heads(holders.size(), 0);
  for (std::uint32_t head = 0; head < kv_heads; ++head) {
    const auto rank = [&](std::size_t i) {
      const double load = static_cast<double>(heads[i] + 1) / kv_heads;
      return std::pair(load > holders[i].share_max, load / shares[i]);
    };
    std::size_t best = 0;
    for (std::size_t i = 1; i < holders.size(); ++i)
      if (rank(i) < rank(best)) best = i;
    ++heads[best];
  }
  std::vector<Pattern> patterns;
  for (std::size_t i = 0; i < holders.size(); ++i)
    for (std::uint32_t head = 0; head < heads[i]; ++head) patterns.push_back({holders[i].node});
  return patterns;
}

std::vector<Pattern> by_context(const std::vector<Holder>& holders, const std::vector<double>& shares,
                                std::uint32_t kv_heads) {
  std::vector<HeadWeight> weights;
  for (std::size_t i = 0; i < holders.size(); ++i) weights.push_back({holders[i].node, shares[i], 0});
  return std::vector<Pattern>(kv_heads, pattern_of(weights));
}

// Whole heads of each share, in heads; `rest` gets what is left of it.
std::uint32_t take_whole_heads(std::vector<double>& rest, std::vector<std::uint32_t>& whole, double nearly) {
  std::uint32_t taken = 0;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const double nearest = std::round(rest[i]);
    const bool is_whole = nearest >= 1 && std::abs(rest[i] - nearest) <= nearly * nearest;
    whole[i] = static_cast<std::uint32_t>(is_whole ? nearest : std::floor(rest[i]));
    rest[i] = is_whole ? 0 : rest[i] - whole[i];
    taken += whole[i];
  }
  return taken;
}

// Whole heads first; what is left of the shares is laid end to end over the heads that are left, largest first, so that
// few nodes lie across two heads.
std::vector<Pattern> by_heads_then_context(const std::vector<Holder>& holders, const std::vector<double>& shares,
                                           std::uint32_t kv_heads) {
  std::vector<double> wanted, rest;
  for (const double share : shares) wanted.push_back(share * kv_heads);
  std::vector<std::uint32_t> whole(holders.size());
  rest = wanted;
  std::uint32_t taken = take_whole_heads(rest, whole, kNearlyWhole);
  double left = 0;
  for (const double r : rest) left += r;
  if (taken > kv_heads || (taken < kv_heads && left < 0.5)) {  // rounding did not come out: cut exactly
    rest = wanted;
    taken = take_whole_heads(rest, whole, 1e-9);
  }
  std::vector<Pattern> patterns;
  for (std::size_t i = 0; i < holders.size(); ++i)
    for (std::uint32_t head = 0; head < whole[i]; ++head) patterns.push_back({holders[i].node});

  left = 0;
  for (const double r : rest) left += r;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < holders.size(); ++i)
    if (rest[i] > 0) order.push_back(i);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return rest[a] > rest[b]; });
  const double scale = (kv_heads - taken) / std::max(left, 1e-12);
  std::vector<HeadWeight> weights;
  double filled = 0;
  for (const std::size_t i : order)
    for (double part = rest[i] * scale; part > 1e-9 && patterns.size() < kv_heads;) {
      const double weight = std::min(part, 1 - filled);
      weights.push_back({holders[i].node, weight, rest[i] * scale + whole[i] - weight});
      part -= weight;
      filled += weight;
      if (filled > 1 - 1e-9) {
        patterns.push_back(pattern_of(weights));
        weights.clear();
        filled = 0;
      }
    }
  if (!weights.empty() && patterns.size() < kv_heads) patterns.push_back(pattern_of(weights));
  return patterns;
}

// The pattern as it is leaves the last, partial round of stripes to those at its front. Repeated, its stripes are shorter
// and the front's surplus smaller, for more partials.
std::vector<Pattern> repeated(const std::vector<Pattern>& patterns, std::size_t times) {
  std::vector<Pattern> longer;
  for (const Pattern& pattern : patterns) {
    Pattern repeats;
    for (std::size_t i = 0; i < (pattern.size() > 1 ? times : 1); ++i)
      repeats.insert(repeats.end(), pattern.begin(), pattern.end());
    longer.push_back(std::move(repeats));
  }
  return longer;
}

// The first that is about as good as the best: of those in which the expected KV fits the one with the fastest
// attention (the rest of a step is the same in all), else the one with the most room.
std::size_t best_of(const std::vector<PlanOption>& options, double as_good) {
  double fastest = std::numeric_limits<double>::infinity();
  std::uint64_t most_room = 0;
  for (const PlanOption& option : options) {
    if (option.cost.fits) fastest = std::min(fastest, option.cost.attention_seconds);
    most_room = std::max(most_room, option.cost.kv_leaves);
  }
  std::size_t best = 0;
  const auto is_good = [&](const PlanOption& option) {
    if (std::isinf(fastest)) return static_cast<double>(option.cost.kv_leaves) * as_good >= static_cast<double>(most_room);
    return option.cost.fits && option.cost.attention_seconds <= fastest * as_good;
  };
  while (!is_good(options[best])) ++best;
  return best;
}

std::string compare(const PlanOption& other, const PlanOption& chosen) {
  std::ostringstream text;
  text.precision(3);
  if (chosen.cost.fits && !other.cost.fits)
    text << "the expected KV does not fit (room for " << other.cost.kv_leaves << " leaves)";
  else
    text << "a step takes " << 1e3 * other.cost.step_seconds << " ms instead of " << 1e3 * chosen.cost.step_seconds
         << ", there is room for " << other.cost.kv_leaves << " leaves instead of " << chosen.cost.kv_leaves;
  text << ", and the worst loss of an attention node re-runs " << other.cost.tokens_lost_max << " tokens instead of "
       << chosen.cost.tokens_lost_max;
  return text.str();
}

// What a plan that uses the node would cost; infinite if none does.
double fastest_with(const std::vector<PlanOption>& options, NodeId node) {
  double fastest = std::numeric_limits<double>::infinity();
  for (const PlanOption& option : options)
    if (std::ranges::count(option.plan.nodes(), node) > 0) fastest = std::min(fastest, option.cost.attention_seconds);
  return fastest;
}

std::string idle_because(const PlannerInput& input, const NodeDescriptor& node, const PlanOption& chosen,
                         const std::vector<PlanOption>& options) {
  std::ostringstream text;
  text.precision(3);
  if (node.memory_bytes == 0) return "it gives no memory to KV";
  const double with = fastest_with(options, node.id);
  const bool shares = !node.cores.empty() && std::ranges::any_of(input.nodes, [&](const NodeDescriptor& other) {
    return other.cores == node.cores && std::ranges::count(chosen.plan.nodes(), other.id) > 0;
  });
  if (std::isinf(with))
    text << "no plan of shard mode " << to_string(input.mode) << " has a part for it: " << input.model.kv_heads
         << " KV heads go whole to nodes with more room or bandwidth";
  else if (shares)
    text << "it shares its cores with nodes in use, so a further cut of a KV head would read the same bytes no faster and ask one "
            "node more in each layer: "
         << 1e3 * with << " ms of attention per step instead of " << 1e3 * chosen.cost.attention_seconds;
  else
    text << "a plan that uses it takes " << 1e3 * with << " ms of attention per step instead of "
         << 1e3 * chosen.cost.attention_seconds << " or has more cuts for no gain";
  return text.str();
}

std::vector<IdleNode> idle_nodes(const PlannerInput& input, const PlanOption& chosen,
                                 const std::vector<PlanOption>& options) {
  const std::vector<NodeId> used = chosen.plan.nodes();
  std::vector<IdleNode> idle;
  for (const NodeDescriptor& node : input.nodes)
    if (node.role == NodeRole::kAttention && std::ranges::count(used, node.id) == 0)
      idle.push_back({node.id, node.name, idle_because(input, node, chosen, options)});
  std::ranges::sort(idle, {}, &IdleNode::node);
  return idle;
}

// What made the shares unequal, if anything did.
void add_bandwidths(std::ostringstream& text, const PlanOption& chosen, const std::vector<NodeDescriptor>& nodes) {
  double least = std::numeric_limits<double>::infinity(), most = 0;
  std::string list;
  for (const NodeId id : chosen.plan.nodes()) {
    const NodeDescriptor& node = *std::ranges::find(nodes, id, &NodeDescriptor::id);
    least = std::min(least, node.read_bytes_per_second);
    most = std::max(most, node.read_bytes_per_second);
    std::ostringstream one;
    one.precision(3);
    one << (list.empty() ? "" : ", ") << node.name << " reads " << 1e-9 * node.read_bytes_per_second << " GB/s";
    list += one.str();
  }
  if (most > least * kAsGood) text << "; shares follow read bandwidth: " << list;
}

std::string reason_for(const PlanOption& chosen, std::size_t holders, std::size_t options, const PlannerInput& input) {
  std::ostringstream text;
  text.precision(3);
  if (!chosen.plan.has_holders())
    text << "no attention node has room for KV, so the compute node holds it";
  else if (options == 1)
    text << "asked for by shard mode " << to_string(input.mode);
  else if (!chosen.cost.fits)
    text << "the expected KV fits in no plan; this one has the most room";
  else
    text << "no plan has attention more than 3 % faster, and of those as fast it has the fewest cuts: " << holders
         << " attention nodes, slowest " << 1e3 * chosen.cost.attention_seconds << " ms of attention per step";
  add_bandwidths(text, chosen, input.nodes);
  return text.str();
}

}  // namespace

std::string_view to_string(ShardMode mode) {
  switch (mode) {
    case ShardMode::kAuto: return "auto";
    case ShardMode::kHeads: return "heads";
    case ShardMode::kContext: return "context";
  }
  return "?";
}

Result<ShardMode> parse_shard_mode(std::string_view text) {
  for (const ShardMode mode : {ShardMode::kAuto, ShardMode::kHeads, ShardMode::kContext})
    if (text == to_string(mode)) return mode;
  return make_error(ErrorCode::kInvalidArgument, "shard mode \"", text, "\" is unknown: auto, heads or context");
}

Result<PlanReport> make_plan(const PlannerInput& input) {
  if (auto legal = check(input); !legal) return legal.error();
  const auto option = [&](const std::string& name, const std::vector<Pattern>& patterns) {
    std::vector<PlanOption> tried;
    std::size_t longest = 1;
    for (const Pattern& pattern : patterns) longest = std::max(longest, pattern.size());
    for (std::size_t times = 1; times == 1 || (longest > 1 && times * longest <= kPatternEntriesMax); times *= 2) {
      PlanOption made{name, PlacementPlan{input.generation, repeated(patterns, times)}, {}};
      made.cost = predict(made.plan, input.model, input.workload, input.nodes);
      tried.push_back(std::move(made));
    }
    return std::move(tried[best_of(tried, kAsBalanced)]);
  };
  PlanOption alone = option("compute node only", {});
  const std::vector<Holder> holders = holders_of(input);
  std::vector<PlanOption> options;  // fewest cuts first
  if (!holders.empty()) {
    const std::vector<double> shares = ideal_shares(holders);
    const std::uint32_t heads = input.model.kv_heads;
    if (input.mode != ShardMode::kContext) options.push_back(option("heads", by_heads(holders, shares, heads)));
    if (input.mode == ShardMode::kAuto) {
      PlanOption cut = option("heads, then context", by_heads_then_context(holders, shares, heads));
      if (cut.plan.holders != options[0].plan.holders) options.push_back(std::move(cut));
    }
    if (input.mode != ShardMode::kHeads) {
      PlanOption context = option("context", by_context(holders, shares, heads));
      if (options.empty() || context.plan.holders != options.back().plan.holders) options.push_back(std::move(context));
    }
  }
  PlanReport report;
  const std::size_t options_made = options.size();
  const std::vector<PlanOption> all = options;
  if (options.empty()) {
    report.chosen = std::move(alone);
  } else {
    const auto take_best = [&] {
      const std::size_t best = best_of(options, kAsGood);
      PlanOption taken = std::move(options[best]);
      options.erase(options.begin() + static_cast<std::ptrdiff_t>(best));
      return taken;
    };
    report.chosen = take_best();
    report.next_best = options.empty() ? std::move(alone) : take_best();
    report.why_not = compare(*report.next_best, report.chosen);
  }
  report.idle = idle_nodes(input, report.chosen, all);
  report.why = reason_for(report.chosen, holders.size(), options_made, input);
  return report;
}

}  // namespace longshore::placement
