#pragma once

#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/plan/node_descriptor.h"

namespace longshore::cli {

// A made-up cluster in TOML, for planning before buying:
//
//   [[node]]
//   name = "dram-0"
//   role = "attention"            # or "compute": exactly one
//   memory = "64GiB"              # for KV
//   read_bandwidth = "180GB"      # bytes per second that its attention kernel reads
//   link_bandwidth = "12GB"       # bytes per second to and from the compute node
//   link_latency_us = 8.0         # round trip of a small message
//   query_us = 12.0               # optional: to answer a query of one layer, beside reading KV
//   cores = "box-1"               # optional: nodes with the same text share their cores
//   threads = 32                  # optional, as is price_per_hour
//
// Errors: kNotFound (no such file), kInvalidArgument naming file, node and key: TOML that cannot be read, a missing or
// unknown key, a value out of range.
Result<std::vector<NodeDescriptor>> read_cluster_file(const std::string& path);

}  // namespace longshore::cli
