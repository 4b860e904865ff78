#include "cli/eval/progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

namespace longshore::cli::eval {

Progress::Progress(const Clock& clock, std::uint32_t done, std::uint32_t all)
    : clock_(clock),
      begin_(clock.now()),
      written_(begin_),
      done_(done),
      all_(all),
      before_(done),
      is_terminal_(isatty(STDERR_FILENO) != 0) {
  if (done > 0) std::fprintf(stderr, "%u of %u samples were finished before\n", done, all);
}

Progress::~Progress() {
  if (is_terminal_) std::fprintf(stderr, "\r\033[K");
}

void Progress::step(const std::string& what) {
  ++done_;
  const TimePoint now = clock_.now();
  if (!is_terminal_ && now - written_ < kQuiet && done_ != all_) return;
  written_ = now;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const double left = seconds / (done_ - before_) * (all_ - done_);
  std::fprintf(stderr, "%s%u of %u samples (%s), %s left%s", is_terminal_ ? "\r" : "", done_, all_, what.c_str(),
               duration_text(left).c_str(), is_terminal_ ? "\033[K" : "\n");
  std::fflush(stderr);
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<unsigned long long>(std::llround(std::fmax(0, seconds)));
  char text[64];
  if (whole >= 3600)
    std::snprintf(text, sizeof text, "%llu h %02llu min", whole / 3600, whole / 60 % 60);
  else if (whole >= 60)
    std::snprintf(text, sizeof text, "%llu min %02llu s", whole / 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%llu s", whole);
  return text;
}

}  // namespace longshore::cli::eval
