#include <algorithm>
#include <iomanip>
#include <sstream>

#include "scheduler/placement/explanation.h"

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

std::string fixed_text(double value, int digits) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << value;
  return text.str();
}

// What the plan rests on. A dash: not measured, or not of this role.
void render_nodes(std::ostream& out, const std::vector<NodeDescriptor>& nodes) {
  const auto or_dash = [](double value, double scale, int digits) {
    return value > 0 ? fixed_text(scale * value, digits) : std::string("-");
  };
  std::vector<std::string> cores;
  out << std::left << std::setw(16) << "node" << std::right << std::setw(4) << "id" << std::setw(12) << "KV memory"
      << std::setw(14) << "reads GB/s" << std::setw(10) << "query us" << std::setw(10) << "link us" << std::setw(12)
      << "link GB/s" << std::setw(14) << "dense ms" << std::setw(8) << "cores" << '\n';
  for (const NodeDescriptor& node : nodes) {
    const auto known = std::find(cores.begin(), cores.end(), node.cores);
    const auto set = static_cast<std::size_t>(known - cores.begin());
    if (known == cores.end()) cores.push_back(node.cores);
    out << std::left << std::setw(16) << node.name << std::right << std::setw(4) << node.id.value << std::setw(12)
        << bytes_text(node.memory_bytes) << std::setw(14) << fixed_text(1e-9 * node.read_bytes_per_second, 2)
        << std::setw(10) << or_dash(node.query_seconds, 1e6, 1) << std::setw(10)
        << or_dash(node.link_latency_seconds, 1e6, 1) << std::setw(12) << or_dash(node.link_bytes_per_second, 1e-9, 2)
        << std::setw(14) << or_dash(node.step_seconds, 1e3, 2) << std::setw(8)
        << (node.cores.empty() ? "own" : std::string(1, static_cast<char>('A' + set % 26))) << '\n';
  }
}

}  // namespace

std::string render(const Explanation& explanation) {
  std::ostringstream out;
  const Workload& workload = explanation.workload;
  out << explanation.model << ", " << workload.sequences << " sequence" << (workload.sequences == 1 ? "" : "s") << " of "
      << workload.context_tokens << " tokens, " << explanation.kv_type << " KV\n";
  render_nodes(out, explanation.nodes);
  return out.str() + render(explanation.report);
}

std::string render(const PlanReport& report) {
  std::ostringstream out;
  const PlanCost& cost = report.chosen.cost;
  out << "plan " << report.chosen.plan.generation.value << ": " << report.chosen.name << '\n'
      << "because " << report.why << '\n';
  render_patterns(out, report.chosen.plan);
  render_option(out, report.chosen);
  for (const IdleNode& idle : report.idle) out << "idle: " << idle.name << ": " << idle.why << '\n';
  out << "one step: " << ms_text(cost.step_seconds) << " ms (dense " << ms_text(cost.dense_seconds) << ", attention "
      << ms_text(cost.attention_seconds) << "); room for " << cost.kv_leaves << " leaves of 128 tokens; the expected KV "
      << (cost.fits ? "fits" : "does not fit") << '\n';
  if (report.next_best) out << "next best: " << report.next_best->name << "; with it " << report.why_not << '\n';
  return out.str();
}

}  // namespace longshore::placement
