#pragma once

#include "runtime/base/result.h"

#include <ucs/type/status.h>

#include <string_view>

namespace longshore::transport {

// The one place where UCX's status becomes an Error: the code says what to do (a lost peer is kUnavailable),
// the text what was attempted and what UCX says. Requires: an error, that is status < 0.
Error to_error(ucs_status_t status, std::string_view attempted);

}  // namespace longshore::transport
