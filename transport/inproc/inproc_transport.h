#pragma once

#include "runtime/base/result.h"
#include "transport/transport.h"

#include <memory>
#include <string>

namespace longshore::transport {

// The nodes of one process. Thread-safe; outlives its transports' use because they share it.
class InprocNetwork {
 public:
  InprocNetwork();
  // A node on this network with the address "inproc:NAME". Errors: kInvalidArgument (the name is empty or
  // taken). Messages are handed over, not copied; pulls with an empty target are references to the owner's
  // memory. When a transport ends, its peers are told as if it had closed every connection.
  Result<std::unique_ptr<Transport>> create(std::string name);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace longshore::transport
