#include "runtime/base/check.h"
#include "runtime/base/result.h"

namespace longshore {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid_argument";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kResourceExhausted: return "resource_exhausted";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kDeadlineExceeded: return "deadline_exceeded";
    case ErrorCode::kAborted: return "aborted";
    case ErrorCode::kFailedPrecondition: return "failed_precondition";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kDataLoss: return "data_loss";
    case ErrorCode::kInternal: return "internal";
  }
  return "unknown";
}

std::string Error::to_string() const {
  return std::string(longshore::to_string(code)) + ": " + message;
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
  CHECK(false) << "value taken of an error at " << where.file_name() << ":" << where.line() << ": "
               << error.to_string();
  std::abort();
}

}  // namespace longshore
