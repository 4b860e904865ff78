#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>

#include "runtime/base/result.h"
#include "runtime/plan/sampling_params.h"

namespace longshore::cli {

// How `complete` and `chat` draw tokens.
struct SamplingFlags {
  SamplingParams params;
  std::uint32_t max_tokens = 256;
};

inline void add_sampling_flags(CLI::App& app, SamplingFlags& flags) {
  app.add_option("--max-tokens,-n", flags.max_tokens, "Tokens to produce at most")->capture_default_str();
  app.add_option("--temperature", flags.params.temperature, "0 takes the most probable token")->capture_default_str();
  app.add_option("--top-p", flags.params.top_p, "Draw among the most probable tokens with this much of the mass")
      ->capture_default_str();
  app.add_option("--top-k", flags.params.top_k, "Draw among this many most probable tokens; 0: all")
      ->capture_default_str();
  app.add_option("--min-p", flags.params.min_p, "Drop tokens less probable than this share of the best")
      ->capture_default_str();
  app.add_option("--repetition-penalty", flags.params.repetition_penalty, "1 is none")->capture_default_str();
  app.add_option("--seed", flags.params.seed, "The same seed gives the same text")->capture_default_str();
}

}  // namespace longshore::cli
