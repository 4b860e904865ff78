#include "transport/ucx/ucx_status.h"

namespace longshore::transport {
namespace {

ErrorCode code_of(ucs_status_t status) {
  switch (status) {
    case UCS_ERR_INVALID_PARAM:
    case UCS_ERR_INVALID_ADDR:
      return ErrorCode::kInvalidArgument;
    case UCS_ERR_NO_MEMORY:
    case UCS_ERR_NO_RESOURCE:
    case UCS_ERR_EXCEEDS_LIMIT:
      return ErrorCode::kResourceExhausted;
    case UCS_ERR_UNREACHABLE:
    case UCS_ERR_NOT_CONNECTED:
    case UCS_ERR_CONNECTION_RESET:
    case UCS_ERR_ENDPOINT_TIMEOUT:
    case UCS_ERR_TIMED_OUT:
    case UCS_ERR_REJECTED:
    case UCS_ERR_IO_ERROR:
      return ErrorCode::kUnavailable;
    case UCS_ERR_CANCELED:
      return ErrorCode::kCancelled;
    case UCS_ERR_NO_DEVICE:
    case UCS_ERR_NO_ELEM:
    case UCS_ERR_UNSUPPORTED:
      return ErrorCode::kFailedPrecondition;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

Error to_error(ucs_status_t status, std::string_view attempted) {
  return make_error(code_of(status), attempted, ": ", ucs_status_string(status), " (UCX ",
                    static_cast<int>(status), ")");
}

}  // namespace longshore::transport
