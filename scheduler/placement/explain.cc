#include <iomanip>
#include <sstream>

#include "scheduler/placement/planner.h"

namespace longshore::placement {
namespace {

std::string bytes_text(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  std::ostringstream text;
  text << std::fixed << std::setprecision(unit == 0 ? 0 : 1) << value << ' ' << kUnits[unit];
  return text.str();
}

std::string ms_text(double seconds) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(3) << 1e3 * seconds;
  return text.str();
}

void render_option(std::ostream& out, const PlanOption& option) {
  out << std::left << std::setw(16) << "node" << std::right << std::setw(8) << "share" << std::setw(12) << "holds"
      << std::setw(12) << "reads" << std::setw(12) << "messages" << std::setw(10) << "read ms" << std::setw(10)
      << "link ms" << std::setw(12) << "latency ms" << std::setw(10) << "step ms" << std::setw(14) << "loss re-runs"
      << '\n';
  for (const NodeCost& node : option.cost.nodes) {
    std::ostringstream share;
    share << std::fixed << std::setprecision(1) << 100 * node.share << " %";
    out << std::left << std::setw(16) << node.name << std::right << std::setw(8) << share.str() << std::setw(12)
        << bytes_text(node.bytes_held) << std::setw(12) << bytes_text(node.bytes_read) << std::setw(12)
        << bytes_text(node.bytes_sent) << std::setw(10) << ms_text(node.read_seconds) << std::setw(10)
        << ms_text(node.link_seconds) << std::setw(12) << ms_text(node.latency_seconds) << std::setw(10)
        << ms_text(node.step_seconds) << std::setw(14) << node.tokens_lost << '\n';
  }
}

// Heads with the same pattern share a line: "heads 0-2: 1 1 2".
void render_patterns(std::ostream& out, const PlacementPlan& plan) {
  for (std::size_t begin = 0, end = 0; begin < plan.holders.size(); begin = end) {
    while (end < plan.holders.size() && plan.holders[end] == plan.holders[begin]) ++end;
    out << "KV head" << (end - begin > 1 ? "s " : " ") << begin;
    if (end - begin > 1) out << '-' << end - 1;
    out << " on node";
    for (const NodeId node : plan.holders[begin]) out << ' ' << node.value;
    out << '\n';
  }
}

}  // namespace

std::string render(const PlanReport& report) {
  std::ostringstream out;
  const PlanCost& cost = report.chosen.cost;
  out << "plan " << report.chosen.plan.generation.value << ": " << report.chosen.name << '\n'
      << "because " << report.why << '\n';
  render_patterns(out, report.chosen.plan);
  render_option(out, report.chosen);
  out << "one step: " << ms_text(cost.step_seconds) << " ms (dense " << ms_text(cost.dense_seconds) << ", attention "
      << ms_text(cost.attention_seconds) << "); room for " << cost.kv_leaves << " leaves of 128 tokens; the expected KV "
      << (cost.fits ? "fits" : "does not fit") << '\n';
  if (report.next_best) out << "next best: " << report.next_best->name << "; with it " << report.why_not << '\n';
  return out.str();
}

}  // namespace longshore::placement
