#pragma once

#include <sstream>
#include <string>

// CHECK(condition) << values: a programmer error ends the process with the place and the values. Always on.
// Never reachable from a peer's bytes, a file or a request: those are Result errors. DCHECK is for loops over
// elements and compiles to nothing where NDEBUG is set.
namespace longshore::internal {

class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  [[noreturn]] ~CheckFailure();
  std::ostringstream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

struct CheckVoid {
  void operator&(std::ostream&) const {}
};

}  // namespace longshore::internal

#define CHECK(condition)              \
  (condition) ? (void)0               \
              : ::longshore::internal::CheckVoid() & \
                    ::longshore::internal::CheckFailure(__FILE__, __LINE__, #condition).stream()

#ifdef NDEBUG
#define DCHECK(condition) \
  while (false) CHECK(condition)
#else
#define DCHECK(condition) CHECK(condition)
#endif
