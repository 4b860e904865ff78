#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace longshore::cli {

// Binds this thread, and all threads and memory that it brings about from here on, to a NUMA node: its CPUs, and its
// memory strictly, so that reading KV never crosses the link between sockets unnoticed. Call it before any thread starts.
// Errors: kInvalidArgument (no such node; names those that there are), kFailedPrecondition (no CPU of the node is allowed
// here, or the system refuses).
Result<void> bind_to_numa_node(std::uint32_t node);

// "0-3,8" -> {0, 1, 2, 3, 8}, as Linux writes sets of CPUs and nodes. Errors: kInvalidArgument (not such a list, or a
// number of 4096 or more).
Result<std::vector<std::uint32_t>> parse_number_list(std::string_view text);

}  // namespace longshore::cli
