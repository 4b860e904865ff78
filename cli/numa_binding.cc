#include "cli/numa_binding.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string>

namespace longshore::cli {
namespace {

constexpr std::uint32_t kNumbersMax = 4096;
constexpr std::uint32_t kNodesMax = 1024;  // as many as a kernel may be built for
const std::string kNodes = "/sys/devices/system/node/";

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

Result<void> bind_threads(const std::string& name, const std::vector<std::uint32_t>& cpus) {
  cpu_set_t allowed, wanted;
  CPU_ZERO(&wanted);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) CPU_ZERO(&allowed);
  for (const std::uint32_t cpu : cpus)
    if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &wanted);
  if (CPU_COUNT(&wanted) == 0)
    return make_error(ErrorCode::kFailedPrecondition, name, " has no CPU that this process may use; allow it some of ",
                      first_line(kNodes + name + "/cpulist"), " or choose another node");
  if (sched_setaffinity(0, sizeof wanted, &wanted) != 0)
    return make_error(ErrorCode::kFailedPrecondition, "threads cannot be bound to ", name, ": ", std::strerror(errno));
  return {};
}

Result<void> bind_memory(const std::string& name, std::uint32_t node) {
  constexpr std::size_t kBits = 8 * sizeof(unsigned long);
  std::array<unsigned long, kNodesMax / kBits> mask{};
  mask[node / kBits] |= 1ul << (node % kBits);
  // The kernel looks at one bit less than it is told.
  if (syscall(SYS_set_mempolicy, MPOL_BIND, mask.data(), kNodesMax + 1) == 0) return {};
  return make_error(ErrorCode::kFailedPrecondition, "memory cannot be bound to ", name, ": ", std::strerror(errno),
                    "; a container needs the right to call set_mempolicy, or leave --numa out");
}

}  // namespace

Result<std::vector<std::uint32_t>> parse_number_list(std::string_view text) {
  std::vector<std::uint32_t> numbers;
  const Error wrong =
      make_error(ErrorCode::kInvalidArgument, "\"", std::string(text), "\" is not a list of numbers such as 0-3,8");
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](std::uint32_t& value) {
    const auto [rest, status] = std::from_chars(at, end, value);
    at = rest;
    return status == std::errc() && value < kNumbersMax;
  };
  while (at != end) {
    std::uint32_t first = 0, last = 0;
    if (!number(first)) return wrong;
    last = first;
    if (at != end && *at == '-' && (++at, !number(last))) return wrong;
    if (last < first) return wrong;
    for (std::uint32_t value = first; value <= last; ++value) numbers.push_back(value);
    if (at != end && (*at != ',' || ++at == end)) return wrong;
  }
  return numbers;
}

Result<void> bind_to_numa_node(std::uint32_t node) {
  const std::string name = "node" + std::to_string(node);
  const std::string cpulist = node < kNodesMax ? first_line(kNodes + name + "/cpulist") : "";
  if (cpulist.empty())
    return make_error(ErrorCode::kInvalidArgument, "--numa is ", node, "; the NUMA nodes with CPUs of this machine are ",
                      first_line(kNodes + "has_cpu"));
  const Result<std::vector<std::uint32_t>> cpus = parse_number_list(cpulist);
  if (!cpus) return cpus.error();
  if (Result<void> bound = bind_threads(name, *cpus); !bound) return bound;
  return bind_memory(name, node);
}

}  // namespace longshore::cli
