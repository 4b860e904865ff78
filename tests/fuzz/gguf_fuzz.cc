// The model file reader, what it makes of the metadata, and what the program prints of it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "runtime/model/gguf.h"
#include "runtime/model/inspect.h"
#include "runtime/model/model_config.h"

using longshore::model::GgufFile;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto file = GgufFile::parse("fuzz", bytes);
  if (!file) return 0;
  for (const auto& tensor : (*file)->tensors()) {  // what the reader promises
    const std::byte* const end = tensor.bytes.data() + tensor.bytes.size();
    if (tensor.bytes.data() < bytes.data() || end > bytes.data() + bytes.size()) std::abort();
  }
  for (const auto& entry : (*file)->entries()) {
    (void)(*file)->get<std::vector<std::string_view>>(entry.key);
    (void)(*file)->get<std::vector<float>>(entry.key);
    (void)(*file)->get<std::vector<std::int32_t>>(entry.key);
    (void)(*file)->get<std::vector<bool>>(entry.key);
  }
  (void)longshore::model::describe(**file);
  (void)longshore::model::describe_json(**file);
  return 0;
}
