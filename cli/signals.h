#pragma once

#include <functional>

namespace longshore::cli {

// Blocks SIGINT and SIGTERM in this thread and those it starts, and ignores SIGPIPE. Before any thread starts.
void block_signals();

// Waits for SIGINT or SIGTERM and returns it; 0 once `is_over` says that there is nothing to wait for.
// Requires: block_signals.
int wait_for_signal(const std::function<bool()>& is_over = {});

}  // namespace longshore::cli
