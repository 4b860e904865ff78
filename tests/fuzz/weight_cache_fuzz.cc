// The weight cache's directory: the input stands where the writer puts it, in a file that is sound otherwise, so that it
// gets past the checksums.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include "runtime/base/checksum.h"
#include "runtime/model/weight_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kDataBytes = 8192;
  std::string file = "LSWEIGHT" + std::string(kDataBytes - 8, '\0');
  file.append(reinterpret_cast<const char*>(data), size);
  const std::uint64_t footer[] = {kDataBytes, size, longshore::checksum(std::as_bytes(std::span(data, size)))};
  file.append(reinterpret_cast<const char*>(footer), sizeof footer).append("LSWEIGHT");

  const int memory = memfd_create("weight_cache_fuzz", 0);
  if (memory < 0 || write(memory, file.data(), file.size()) != static_cast<ssize_t>(file.size())) std::abort();
  static const auto pool = std::move(*longshore::ThreadPool::create(1));
  const auto cache = longshore::model::WeightCache::open("/proc/self/fd/" + std::to_string(memory), {1, 2, 3, 4});
  if (cache)
    for (const auto format : {longshore::kernels::WeightFormat::kF32, longshore::kernels::WeightFormat::kQ8_0})
      for (const std::size_t outputs : {0u, 1u, 33u})
        for (const std::size_t inputs : {0u, 32u, 33u}) (void)(*cache)->matrix("a", format, outputs, inputs, *pool);
  close(memory);
  return 0;
}
