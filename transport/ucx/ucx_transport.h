#pragma once

#include "runtime/base/result.h"
#include "transport/transport.h"

#include <chrono>
#include <memory>
#include <string>

namespace longshore::transport {

struct UcxOptions {
  std::string tls = {};          // UCX_TLS, e.g. "tcp" or "posix,sysv,self"; empty: UCX's choice
  std::string net_devices = {};  // UCX_NET_DEVICES, e.g. "lo" or "eth0"; empty: all
  // How often UCX looks whether silent peers still exist: a killed one is noticed within about two of them.
  // Above it stands the lease, which decides (architecture section 10).
  std::chrono::milliseconds keepalive{1000};
};

// A node on UCX (ucp 1.13 or later): shared memory between processes of one machine, TCP or RDMA between
// machines, by UCX's own choice. Its address is the worker's, as text with a checksum, valid as long as the
// transport lives; it travels over the control plane, so there is no port of its own to configure. Errors:
// kFailedPrecondition naming the option (unknown transport or device), kInternal (UCX does not start).
Result<std::unique_ptr<Transport>> create_ucx_transport(const UcxOptions& options = {});

}  // namespace longshore::transport
