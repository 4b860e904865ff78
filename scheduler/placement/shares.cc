#include "scheduler/placement/shares.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace longshore::placement {
namespace {

// A shorter pattern has longer stripes, so fewer partials and cuts; below this its imbalance drowns in noise.
constexpr double kImbalanceAllowed = 1.03;

double load(const HeadWeight& w, std::uint32_t entries, std::uint32_t length) {
  return (w.elsewhere + static_cast<double>(entries) / length) / (w.elsewhere + w.weight);
}

// Entries per node: one at a time to whoever is then least overloaded, which makes the largest overload the least
// possible. Source: D'Hondt's rule of apportionment, as a greedy minimisation of the largest ratio of seats to votes.
std::vector<std::uint32_t> apportion(const std::vector<HeadWeight>& weights, std::uint32_t length) {
  std::vector<std::uint32_t> entries(weights.size(), 0);
  for (std::uint32_t given = 0; given < length; ++given) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < weights.size(); ++i)
      if (load(weights[i], entries[i] + 1, length) < load(weights[best], entries[best] + 1, length)) best = i;
    ++entries[best];
  }
  return entries;
}

double overload(const std::vector<HeadWeight>& weights, const std::vector<std::uint32_t>& entries, std::uint32_t length) {
  double worst = 0;
  for (std::size_t i = 0; i < weights.size(); ++i)
    if (entries[i] > 0) worst = std::max(worst, load(weights[i], entries[i], length));
  return worst;
}

// Each step everyone earns its entries and the richest pays for all: the entries of each are evenly spread.
std::vector<NodeId> spread(const std::vector<HeadWeight>& weights, const std::vector<std::uint32_t>& entries) {
  const std::int64_t length = std::accumulate(entries.begin(), entries.end(), std::int64_t{0});
  std::vector<std::int64_t> credit(entries.size(), 0);
  std::vector<NodeId> pattern;
  while (static_cast<std::int64_t>(pattern.size()) < length) {
    for (std::size_t i = 0; i < credit.size(); ++i) credit[i] += entries[i];
    const auto richest = std::max_element(credit.begin(), credit.end());
    *richest -= length;
    pattern.push_back(weights[static_cast<std::size_t>(richest - credit.begin())].node);
  }
  return pattern;
}

}  // namespace

std::vector<double> ideal_shares(const std::vector<Holder>& holders) {
  std::vector<double> shares(holders.size(), 0);
  double room = 0;
  for (const Holder& holder : holders) room += holder.share_max;
  if (room <= 1) {
    for (std::size_t i = 0; i < holders.size(); ++i) shares[i] = holders[i].share_max / room;
    return shares;
  }
  // Who would exceed its room by bandwidth gets its room; the rest is split again among the others.
  std::vector<bool> is_full(holders.size(), false);
  double rest = 1;
  for (bool changed = true; changed;) {
    changed = false;
    double bandwidth = 0;
    for (std::size_t i = 0; i < holders.size(); ++i)
      if (!is_full[i]) bandwidth += holders[i].bandwidth;
    double taken = 0;
    for (std::size_t i = 0; i < holders.size(); ++i) {
      if (is_full[i]) continue;
      shares[i] = rest * holders[i].bandwidth / bandwidth;
      if (shares[i] <= holders[i].share_max) continue;
      shares[i] = holders[i].share_max;
      taken += shares[i];
      is_full[i] = changed = true;
    }
    rest -= taken;
  }
  return shares;
}

std::vector<NodeId> pattern_of(const std::vector<HeadWeight>& weights) {
  double least = std::numeric_limits<double>::infinity();
  std::vector<std::vector<std::uint32_t>> by_length;
  std::vector<double> overloads;
  for (std::uint32_t length = 1; length <= kPatternEntriesMax; ++length) {
    by_length.push_back(apportion(weights, length));
    overloads.push_back(overload(weights, by_length.back(), length));
    least = std::min(least, overloads.back());
  }
  std::size_t shortest = 0;
  while (overloads[shortest] > least * kImbalanceAllowed) ++shortest;
  return spread(weights, by_length[shortest]);
}

}  // namespace longshore::placement
