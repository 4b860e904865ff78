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

struct AdminFlags {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
};

// The admin port of a role. `ready` says why the role does not serve now. Errors: those of HttpServer::create.
Result<std::unique_ptr<http::HttpServer>> serve_admin(const AdminFlags& flags, const std::string& model,
                                                      Metrics& metrics, const Clock& clock,
                                                      std::function<Result<void>()> ready);

}  // namespace longshore::cli
