#include "cli/admin_server.h"

#include <utility>

#include "cli/version.h"
#include "runtime/kernels/numerics_version.h"
#include "transport/http/admin_routes.h"

namespace longshore::cli {

Result<std::unique_ptr<http::HttpServer>> serve_admin(const std::string& host, std::uint16_t port, const std::string& model,
                                                      Metrics& metrics, const Clock& clock,
                                                      std::function<Result<void>()> ready) {
  http::AdminOptions admin;
  admin.version = std::string(kVersion);
  admin.numerics = std::to_string(kernels::kNumericsVersion);
  admin.model = model;
  admin.probe_period = Duration::zero();  // these probes cost nothing
  http::HttpServerOptions options;
  options.name = "admin";
  options.host = host;
  options.port = port;
  return http::HttpServer::create(options, http::admin_routes(std::move(admin), metrics, clock, std::move(ready)),
                                  metrics);
}

}  // namespace longshore::cli
