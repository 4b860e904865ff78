#include "cli/listen_flags.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>

#include "cli/cluster_flags.h"

namespace longshore::cli {
namespace {

bool is_any(const std::string& address) { return address == "0.0.0.0" || address == "::"; }

struct IpAddress {
  int family = 0;
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  bool operator==(const IpAddress&) const = default;
  bool is_loopback4() const { return family == AF_INET && bytes[0] == 127; }
};

Result<IpAddress> parse_ip(const std::string& flag, const std::string& text) {
  IpAddress address;
  for (const int family : {AF_INET, AF_INET6})
    if (inet_pton(family, text.c_str(), address.bytes.data()) == 1) {
      address.family = family;
      return address;
    }
  return make_error(ErrorCode::kInvalidArgument, flag, " is '", text, "'; write an IP address of this machine");
}

IpAddress ip_of(const sockaddr& socket) {
  IpAddress address;
  address.family = socket.sa_family;
  if (socket.sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &socket, sizeof in);
    std::memcpy(address.bytes.data(), &in.sin_addr, sizeof in.sin_addr);
  } else if (socket.sa_family == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, &socket, sizeof in6);
    std::memcpy(address.bytes.data(), &in6.sin6_addr, sizeof in6.sin6_addr);
  }
  return address;
}

// The network device that has the address; all of 127.0.0.0/8 is the loopback device's.
Result<std::string> device_of(const std::string& flag, const std::string& text) {
  const Result<IpAddress> wanted = parse_ip(flag, text);
  if (!wanted) return wanted.error();
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0)
    return make_error(ErrorCode::kInternal, "the network devices cannot be listed: ", std::strerror(errno));
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> devices(first, &freeifaddrs);
  std::string known;
  for (const ifaddrs* device = first; device != nullptr; device = device->ifa_next) {
    if (device->ifa_addr == nullptr) continue;
    const IpAddress address = ip_of(*device->ifa_addr);
    const bool both_loopback = address.is_loopback4() && wanted->is_loopback4() && (device->ifa_flags & IFF_LOOPBACK) != 0;
    if (address == *wanted || both_loopback) return std::string(device->ifa_name);
    std::array<char, INET6_ADDRSTRLEN> shown{};
    if (address.family != AF_INET && address.family != AF_INET6) continue;
    if (inet_ntop(address.family, address.bytes.data(), shown.data(), shown.size()) != nullptr)
      known += (known.empty() ? "" : ", ") + std::string(shown.data());
  }
  return make_error(ErrorCode::kInvalidArgument, flag, " is ", text, ", which no network device of this machine has; it has ",
                    known);
}

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace

std::string ListenAddress::advertise(std::uint16_t port) const {
  const bool is_ip6 = advertised.find(':') != std::string::npos;
  return (is_ip6 ? "[" + advertised + "]" : advertised) + ":" + std::to_string(port);
}

void add_listen_flags(CLI::App& app, ListenFlags& flags) {
  with_environment(app.add_option("--listen", flags.listen,
                                  "IP address to be reached at, by nodes and at the admin port; 0.0.0.0: any of this "
                                  "machine's"))
      ->capture_default_str();
  with_environment(app.add_option("--advertise", flags.advertise,
                                  "The address of this machine that others are told; empty: --listen"))
      ->capture_default_str();
}

Result<ListenAddress> parse(const ListenFlags& flags) {
  ListenAddress address;
  address.host = flags.listen;
  if (!is_any(flags.listen)) {
    Result<std::string> device = device_of("--listen", flags.listen);
    if (!device) return device.error();
    address.device = std::move(*device);
  }
  address.advertised = flags.advertise;
  if (flags.advertise.empty()) {
    address.advertised = is_any(flags.listen) ? host_name() : flags.listen;
    return address;
  }
  Result<std::string> device = device_of("--advertise", flags.advertise);
  if (!device) return device.error();
  if (!address.device.empty() && address.device != *device)
    return make_error(ErrorCode::kInvalidArgument, "--advertise ", flags.advertise, " is on ", *device, ", but --listen ",
                      flags.listen, " is on ", address.device, ": listen there, or on 0.0.0.0");
  address.device = std::move(*device);
  return address;
}

}  // namespace longshore::cli
