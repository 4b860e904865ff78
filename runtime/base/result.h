#pragma once

#include <boost/system/result.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace longshore {

// What the caller should do about an operating error; the text says what was attempted, where, and the numbers.
enum class ErrorCode {
  kInvalidArgument,     // the request can never work: the client changes it (HTTP 400)
  kNotFound,            // no such model, sequence, block (404)
  kResourceExhausted,   // a named limit is reached: the client retries later (429)
  kUnavailable,         // this peer now; the same call may work on retry (503)
  kDeadlineExceeded,    // time is over, the effect is unknown: retry only if idempotent (504)
  kAborted,             // plan generation or epoch moved on: redo the larger step
  kFailedPrecondition,  // will not work until an operator repairs state (503)
  kCancelled,           // the client left or the process stops: nobody acts
  kDataLoss,            // checksum wrong, KV missing: the owner recomputes from tokens
  kInternal,            // a broken promise of a library: log, fail the sequence (500)
};

// "invalid_argument", ...: the name used in logs, metric labels and error replies.
std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  // "invalid_argument: message"
  std::string to_string() const;
};

// Found by argument-dependent lookup when the value of an error is taken: a programmer error, so it ends the process.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

// A value or an Error. Everything that can fail in operation returns one; nothing of ours throws.
// boost::system::result is not [[nodiscard]], hence the thin class.
template <typename T>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
 public:
  using boost::system::result<T, Error>::result;
};

// make_error(ErrorCode::kNotFound, "model ", name, " ..."): streams its parts into the message.
template <typename... Parts>
Error make_error(ErrorCode code, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return Error{code, std::move(text).str()};
}

}  // namespace longshore
