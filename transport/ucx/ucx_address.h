#pragma once

#include "runtime/base/result.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace longshore::transport {

// "ucx1:" and, in hex, 8 bytes of checksum and the worker's address. UCX reads addresses without bounds
// checks, so only those that a Longshore node has printed, unchanged, may reach it.
std::string to_text(std::span<const std::byte> worker_address);
// Errors: kInvalidArgument (another kind of text, cut short, or changed).
Result<std::vector<std::byte>> from_text(std::string_view address);

}  // namespace longshore::transport
