#pragma once

#include <chrono>

#include "runtime/base/thread_pool.h"

namespace longshore::probe {

// Bytes a second that the pool's threads read together from memory: the best of a few passes over more than caches
// hold, for about `duration`. What a placement's shares follow.
double read_bandwidth(ThreadPool& pool, std::chrono::milliseconds duration);

}  // namespace longshore::probe
