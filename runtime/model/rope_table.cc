#include "runtime/model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/base/check.h"
#include "runtime/kernels/elementary.h"

namespace longshore::model {
namespace {

// The pair that turns `rotations` times over the original context. Source: Peng et al. 2023, YaRN, section 3.2.
double pair_of_rotations(const RopeConfig& config, std::uint32_t rotated, double rotations) {
  const double turns = config.original_context / (rotations * 2 * std::numbers::pi);
  return rotated * elementary::log(turns) / (2 * elementary::log(static_cast<double>(config.base)));
}

// How much of each pair's own frequency YaRN keeps (1: fast pairs) against the interpolated one (0: slow pairs).
class YarnRamp {
 public:
  YarnRamp(const RopeConfig& config, std::uint32_t rotated)
      : low_(std::max(0.0, std::floor(pair_of_rotations(config, rotated, config.yarn_beta_fast)))),
        high_(std::min(rotated - 1.0, std::ceil(pair_of_rotations(config, rotated, config.yarn_beta_slow)))) {}

  double kept(std::uint32_t pair) const {
    return 1 - std::clamp((pair - low_) / std::max(0.001, high_ - low_), 0.0, 1.0);
  }

 private:
  double low_, high_;
};

}  // namespace

RopeTable::RopeTable(const RopeConfig& config, std::uint32_t rotated) : magnitude_(config.magnitude) {
  CHECK(rotated >= 2 && rotated % 2 == 0) << "rotated is " << rotated;
  const double interpolation = 1.0 / config.factor;
  const bool yarn = config.scaling == RopeScalingKind::kYarn;
  if (yarn && config.yarn_extrapolation != 0)
    magnitude_ *= 1 + 0.1 * elementary::log(static_cast<double>(config.factor));

  for (std::uint32_t pair = 0; pair < rotated / 2; ++pair) {
    double frequency = elementary::pow(config.base, -2.0 * pair / rotated);
    if (!config.frequency_factors.empty()) frequency /= config.frequency_factors[pair];
    double kept = 0;
    if (yarn) kept = YarnRamp(config, rotated).kept(pair) * config.yarn_extrapolation;
    if (config.scaling != RopeScalingKind::kNone) frequency *= interpolation * (1 - kept) + kept;
    frequencies_.push_back(frequency);
  }
}

void RopeTable::fill(std::uint32_t position, float* cos, float* sin) const {
  for (std::size_t pair = 0; pair < frequencies_.size(); ++pair) {
    const double angle = position * frequencies_[pair];
    cos[pair] = static_cast<float>(elementary::cos(angle) * magnitude_);
    sin[pair] = static_cast<float>(elementary::sin(angle) * magnitude_);
  }
}

}  // namespace longshore::model
