#include "workers/probe/cores.h"

#include <sched.h>

#include <fstream>
#include <string>

namespace longshore::probe {

std::string cores_of_process() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (!std::getline(file, boot) || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return {};
  std::string mask;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu += 4) {
    unsigned digit = 0;
    for (int bit = 0; bit < 4; ++bit) digit |= CPU_ISSET(cpu + bit, &allowed) ? 1u << bit : 0u;
    mask.insert(mask.begin(), "0123456789abcdef"[digit]);
  }
  mask.erase(0, std::min(mask.find_first_not_of('0'), mask.size() - 1));
  return boot + ":" + mask;
}

}  // namespace longshore::probe
