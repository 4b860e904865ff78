#include "transport/memory_region.h"

#include "transport/transport.h"

namespace longshore::transport {

void MemoryRegion::reset() {
  if (transport_ != nullptr) transport_->unregister_memory(id_);
  transport_ = nullptr;
  id_ = {};
  bytes_ = {};
}

}  // namespace longshore::transport
