#pragma once

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/result.h"
#include "transport/http/reply.h"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace longshore::http {

struct AdminOptions {
  std::string version;                              // of the program
  std::string numerics;                             // version of the arithmetic, as registration compares it
  std::string model;                                // name; empty where the role has none yet
  Duration probe_period = std::chrono::seconds(5);  // a probe's outcome answers for so long
};

// What every role serves on its admin port, and the gateway beside the API: /livez (the I/O thread turns),
// /readyz and /health (`probe`, which may block up to its own deadline; at most one runs at a time, and its
// last outcome answers in between and meanwhile), /metrics (Prometheus text format), /version. `metrics`,
// `clock` and what `probe` refers to outlive the server. `probe` is called on worker threads.
std::vector<Route> admin_routes(AdminOptions options,
                                Metrics& metrics,
                                const Clock& clock,
                                std::function<Result<void>()> probe);

}  // namespace longshore::http
