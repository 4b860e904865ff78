#pragma once

#include <string>

#include "cli/embedded_cluster.h"

namespace longshore::cli {

// What GET /placement answers: the plan's generation, and for each node the KV heads that it has a share of, and the
// leaves, tokens and bytes that it holds now over all sequences; for one that the plan gives nothing to, `idle`: why.
std::string placement_json(const EmbeddedCluster& cluster);

}  // namespace longshore::cli
