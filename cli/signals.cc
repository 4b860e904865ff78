#include "cli/signals.h"

#include <pthread.h>

#include <csignal>
#include <ctime>

namespace longshore::cli {
namespace {

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

void block_signals() {
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int wait_for_signal(const std::function<bool()>& is_over) {
  const sigset_t signals = stop_signals();
  const timespec period{0, 100'000'000};
  while (!is_over || !is_over()) {
    const int signal = sigtimedwait(&signals, nullptr, &period);
    if (signal > 0) return signal;
  }
  return 0;
}

}  // namespace longshore::cli
