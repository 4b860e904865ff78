#include "transport/ucx/ucx_path.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace longshore::transport {
namespace {

// "1:posix/memory.0" -> "posix"; "0:tcp/eth0.0" -> "tcp/eth0". Empty if it is neither.
std::string transport_of(std::string_view resource) {
  const std::size_t colon = resource.find(':');
  const std::size_t slash = resource.find('/');
  if (colon == resource.npos || slash == resource.npos || colon > slash) return "";
  const std::string_view name = resource.substr(colon + 1, slash - colon - 1);
  const std::string_view device = resource.substr(slash + 1, resource.rfind('.') - slash - 1);
  return device == "memory" ? std::string(name) : std::string(name) + "/" + std::string(device);
}

}  // namespace

PathReport parse_endpoint_info(std::string_view info) {
  PathReport report;
  std::istringstream lines{std::string(info)};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t lane = line.find("lane[");
    const std::size_t after = lane == line.npos ? lane : line.find("]:", lane);
    if (after == line.npos) continue;
    std::istringstream words(line.substr(after + 2));
    std::string resource;
    words >> resource;
    const std::string transport = transport_of(resource);
    if (transport.empty() || ("," + report.transports + ",").find("," + transport + ",") != std::string::npos)
      continue;
    if (report.transports.empty())  // the first lane carries the active messages
      report.shared_memory =
          transport == "posix" || transport == "sysv" || transport == "self" || transport == "xpmem";
    report.transports += (report.transports.empty() ? "" : ",") + transport;
  }
  return report;
}

PathReport describe_endpoint(ucp_ep_h endpoint) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* stream = open_memstream(&text, &size);
  if (stream == nullptr) return {};
  ucp_ep_print_info(endpoint, stream);
  std::fclose(stream);
  const PathReport report = parse_endpoint_info({text, size});
  std::free(text);
  return report;
}

}  // namespace longshore::transport
