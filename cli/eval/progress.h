#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/clock.h"

namespace longshore::cli::eval {

// One line on stderr that says how far an evaluation is and how long it will still take: written over where stderr is a
// terminal, else a line of its own at most every kQuiet. Thread: one.
class Progress {
 public:
  static constexpr std::chrono::seconds kQuiet{15};

  // `done` of `all` samples were finished by an earlier run. `clock` outlives it.
  Progress(const Clock& clock, std::uint32_t done, std::uint32_t all);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // One more is finished; `what` was it.
  void step(const std::string& what);

 private:
  const Clock& clock_;
  TimePoint begin_, written_;
  std::uint32_t done_, all_, before_;
  bool is_terminal_;
};

// "2 h 05 min", "3 min 20 s", "45 s".
std::string duration_text(double seconds);

}  // namespace longshore::cli::eval
