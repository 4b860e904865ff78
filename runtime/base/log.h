#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

namespace longshore::log {

// One-line logs on stderr: time, level, role, text with key=value pairs. Standard output belongs to the program's
// answers. Thread-safe. `level` is trace, debug, info, warn, error or off.
void start(std::string_view role, std::string_view level);

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

}  // namespace longshore::log
