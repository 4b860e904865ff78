#pragma once

#include <cstdint>
#include <vector>

#include "runtime/model/model_config.h"

namespace longshore::model {

// Cosine and sine of RoPE's angles. A position's row depends on the configuration and the position alone, computed in
// double by our own functions and rounded to f32 once. With YaRN both carry its magnitude.
// Thread: immutable, thread-safe.
class RopeTable {
 public:
  // `rotated` even, >= 2; `config` as parse_model_config checked it.
  RopeTable(const RopeConfig& config, std::uint32_t rotated);

  std::uint32_t pairs() const { return static_cast<std::uint32_t>(frequencies_.size()); }  // rotated / 2
  // cos, sin: [pairs()] of one position. Requires: position < 2^20 (beyond it the angle's reduction loses bits).
  void fill(std::uint32_t position, float* cos, float* sin) const;

 private:
  std::vector<double> frequencies_;  // radians per position
  double magnitude_ = 1;
};

}  // namespace longshore::model
