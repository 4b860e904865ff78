#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/embedded_cluster.h"
#include "cli/step_driver.h"

namespace longshore::bench {

// A placement to be predicted and measured: patterns of node numbers (from 1) for the KV heads in turn; none: the compute
// node alone.
struct Layout {
  std::string name;
  std::vector<std::vector<std::uint32_t>> patterns;
};

// From the compute node alone to three nodes by head and context.
const std::vector<Layout>& five_layouts();
inline constexpr std::uint32_t kLayoutNodes = 3;  // attention nodes that they need

// One round: what the cost model says from constants measured just before and just after the steps, and the median of the
// steps between; seconds.
struct Round {
  double predicted = 0, measured = 0;
};

// A decode at some depth under one layout, whose step time is predicted and measured in turn. The constants are those of the
// machine (kernel rate, step without context, links); nothing is fitted to the layout. Measuring both within a second or so
// keeps the load that others put on the machine out of the ratio.
class LayoutPrediction {
 public:
  // Fills `depth` tokens under the layout. The cluster has kLayoutNodes attention nodes and outlives this; one at a time.
  static Result<std::unique_ptr<LayoutPrediction>> create(cli::EmbeddedCluster& cluster, const Layout& layout,
                                                          std::uint32_t depth, std::uint32_t chunk);
  ~LayoutPrediction();

  // Measures the constants, decodes kStepsOfRound tokens, measures the constants again.
  Result<Round> round();

  static constexpr std::uint32_t kStepsOfRound = 12;
  static constexpr std::uint32_t kRoundsMax = 40;  // that the context has room for

 private:
  LayoutPrediction(cli::EmbeddedCluster& cluster, std::uint32_t chunk)
      : cluster_(cluster), driver_(cluster.compute(), chunk) {}
  Result<double> predict();

  cli::EmbeddedCluster& cluster_;
  cli::StepDriver driver_;
  std::uint64_t tokens_ = 0;
};

// The middle one of measured / predicted. Requires: at least one round.
double median_ratio(const std::vector<Round>& rounds);

}  // namespace longshore::bench
