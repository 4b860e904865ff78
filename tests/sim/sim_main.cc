// Replays one seed of the batcher's simulation, or runs many:
//   sim_main --seed N [--count M]
// Prints each failing seed with the events before the failure; exit code 1 if there is one.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>

#include "tests/sim/batcher_world.h"

int main(int argc, char** argv) {
  CLI::App app{"Simulates schedules of the batcher from seeds and checks its invariants."};
  std::uint64_t seed = 1, count = 1;
  app.add_option("--seed", seed, "first seed")->required();
  app.add_option("--count", count, "number of seeds from there on");
  CLI11_PARSE(app, argc, argv);

  std::uint64_t failed = 0;
  for (std::uint64_t s = seed; s < seed + count; ++s) {
    longshore::sim::BatcherWorld world(s);
    const auto found = world.run();
    if (!found.empty()) {
      ++failed;
      std::cout << "seed " << s << " failed:\n";
      for (const std::string& line : found) std::cout << "  " << line << '\n';
    } else if (count == 1) {
      std::cout << "seed " << s << ": " << world.accepted().size() << " sequences, " << world.steps() << " steps, "
                << world.batcher().counts().pauses << " pauses, " << world.batcher().counts().recomputes
                << " recomputations, " << world.cancels() << " cancels\n";
    }
  }
  if (count > 1) std::cout << count - failed << " of " << count << " seeds passed\n";
  return failed == 0 ? 0 : 1;
}
