// Replays one seed of a simulation, or runs many:
//   sim_main --seed N [--count M] [--world batcher|cluster]
// Prints each failing seed with the events before the failure; exit code 1 if there is one.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>
#include <string>

#include "tests/sim/batcher_world.h"
#include "tests/sim/cluster_world.h"

int main(int argc, char** argv) {
  CLI::App app{"Simulates the scheduler's state machines from seeds and checks their invariants."};
  std::uint64_t seed = 1, count = 1;
  std::string name = "batcher";
  app.add_option("--seed", seed, "first seed")->required();
  app.add_option("--count", count, "number of seeds from there on");
  app.add_option("--world", name, "what to simulate")->check(CLI::IsMember({"batcher", "cluster"}));
  CLI11_PARSE(app, argc, argv);

  std::uint64_t failed = 0;
  for (std::uint64_t s = seed; s < seed + count; ++s) {
    const auto found =
        name == "batcher" ? longshore::sim::BatcherWorld(s).run() : longshore::sim::ClusterWorld(s).run();
    if (found.empty()) continue;
    ++failed;
    std::cout << "seed " << s << " failed:\n";
    for (const std::string& line : found) std::cout << "  " << line << '\n';
  }
  std::cout << count - failed << " of " << count << " seeds passed\n";
  return failed == 0 ? 0 : 1;
}
