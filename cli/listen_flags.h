#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "runtime/base/result.h"

namespace longshore::cli {

// Where a process of a cluster can be reached. The data plane's addresses name network devices, so that an address stands
// for the device that has it.
struct ListenFlags {
  std::string listen = "127.0.0.1";  // 0.0.0.0: all devices
  std::string advertise;             // empty: `listen`, or this machine's name where that is 0.0.0.0
};
void add_listen_flags(CLI::App& app, ListenFlags& flags);

struct ListenAddress {
  std::string host;        // to bind HTTP ports to
  std::string advertised;  // to write into addresses that others read
  std::string device;      // of the data plane, such as "lo" or "eth0"; empty: all
  // What others are told of a port here: "HOST:PORT", an IPv6 host in brackets.
  std::string advertise(std::uint16_t port) const;
};
// Errors: kInvalidArgument naming the flag: not an IP address, or one that no device of this machine has; an advertised
// one on a device that is not listened on.
Result<ListenAddress> parse(const ListenFlags& flags);

}  // namespace longshore::cli
