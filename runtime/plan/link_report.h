#pragma once

#include <string>

#include "runtime/base/ids.h"

namespace longshore {

// What a compute node found of its link to an attention node as it opened, over the transport that carries queries.
struct LinkReport {
  NodeId node;                    // the attention node
  std::string transports;         // "inproc", "posix", "tcp/lo", ...: what the transport really uses, in lane order
  double round_trip_seconds = 0;  // median of a query-sized message and its answer, both ends parked before
  double bytes_per_second = 0;    // of what a block-sized message takes longer; a lower bound where that is too little to see
  bool operator==(const LinkReport&) const = default;
};

}  // namespace longshore
