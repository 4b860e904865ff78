#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/result.h"
#include "transport/http/http_server.h"

namespace longshore::cli {

// The admin port of a role; port 0: any free one. `ready` says why the role does not serve now.
// Errors: those of HttpServer::create.
Result<std::unique_ptr<http::HttpServer>> serve_admin(const std::string& host, std::uint16_t port, const std::string& model,
                                                      Metrics& metrics, const Clock& clock,
                                                      std::function<Result<void>()> ready);

}  // namespace longshore::cli
