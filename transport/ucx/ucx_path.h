#pragma once

#include "transport/endpoint.h"

#include <ucp/api/ucp.h>

#include <string>
#include <string_view>

namespace longshore::transport {

// The transports of an endpoint's lanes, from what ucp_ep_print_info writes ("lane[0]:  1:posix/memory.0
// md[1] ..."). UCX 1.13 has no other way to ask. Each transport once, in lane order, TCP with its device:
// "posix,tcp/eth0".
PathReport parse_endpoint_info(std::string_view info);
PathReport describe_endpoint(ucp_ep_h endpoint);

}  // namespace longshore::transport
