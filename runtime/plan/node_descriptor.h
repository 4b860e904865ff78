#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/ids.h"

namespace longshore {

enum class NodeRole { kCompute, kAttention };

// What a node is and what it can do. Bandwidths and latencies are measured at start (workers/probe), not configured,
// unless an operator overrides them.
struct NodeDescriptor {
  NodeId id;
  NodeRole role = NodeRole::kAttention;
  std::string name;                        // "attention-0": for people, plans and metric labels
  std::string address;                     // of its data plane, as its transport prints it
  std::string admin;                       // "HOST:PORT" of its admin port
  std::uint64_t memory_bytes = 0;          // that it gives to KV
  double read_bytes_per_second = 0;        // of KV by its attention kernel's threads, from memory
  double query_seconds = 0;                // to answer a query of one layer, beside reading its KV; 0: not measured
  double step_seconds = 0;                 // compute node: a decode step of one sequence but for its attention; 0: likewise
  double row_seconds = 0;                  // compute node: what each further sequence of a step adds to that
  double link_latency_seconds = 0;         // round trip of a query-sized message to the compute node
  double link_bytes_per_second = 0;        // of large messages from the compute node
  unsigned threads = 0;
  std::string cores;                       // nodes with the same text share their cores; empty: cores of its own
  double price_per_hour = 0;               // 0: unknown
};

}  // namespace longshore
