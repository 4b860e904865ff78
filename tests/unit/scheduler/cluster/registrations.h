#pragma once

#include <string>

#include "scheduler/cluster/membership.h"

namespace longshore::cluster {

inline constexpr TimePoint at(int milliseconds) { return TimePoint{} + std::chrono::milliseconds(milliseconds); }

inline Agreement agreement() {
  Agreement agreement;
  agreement.model.fill(7);
  agreement.numerics_version = 3;
  agreement.wire_version = 2;
  return agreement;
}

inline Registration registration_of(const std::string& name, NodeRole role = NodeRole::kAttention) {
  Registration registration;
  registration.node.role = role;
  registration.node.name = name;
  registration.node.address = "tcp:" + name;
  registration.node.memory_bytes = 1 << 30;
  registration.node.read_bytes_per_second = 1e9;
  registration.agreement = agreement();
  return registration;
}

}  // namespace longshore::cluster
