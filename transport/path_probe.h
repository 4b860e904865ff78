#pragma once

#include "runtime/base/result.h"
#include "transport/transport.h"

#include <chrono>

namespace longshore::transport {

// Measures the path to a peer by pulling from its probe region: the median of small pulls, then the rate of
// large ones, for about 30 ms in all. The peer only has to call progress or wait. Messages that arrive
// meanwhile are delivered to `receiver`. Errors: kUnavailable (peer lost), kDeadlineExceeded (it does not
// answer). Thread: the transport's owner thread.
Result<PathReport> measure_path(Transport& transport,
                                PeerId peer,
                                Receiver& receiver,
                                std::chrono::milliseconds deadline);

}  // namespace longshore::transport
