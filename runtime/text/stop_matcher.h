#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace longshore::text {

// Finds the first stop string in streamed text, and lets through only what cannot be part of one.
//
// Of several matches the one that ends first wins, of those the longest, so the result does not depend on how the
// text was cut. The stop string itself is not given out. Each character costs amortised constant time per stop
// string. Source: Knuth, Morris & Pratt 1977. Thread: one thread at a time; each stream has its own.
class StopMatcher {
 public:
  struct Output {
    std::string text;                    // may be sent now
    std::optional<std::size_t> matched;  // index of the stop string; the stream is over
  };

  // Empty stop strings never match; limits on number and length are the request's.
  explicit StopMatcher(const std::vector<std::string>& stops);

  // Requires: nothing has matched before.
  Output append(std::string_view text);

  // The end of the stream without a match: what was held back.
  std::string flush();

 private:
  struct Pattern {
    std::string text;
    std::vector<std::size_t> borders;  // borders[i]: longest proper border of the first i + 1 bytes
    std::size_t matched = 0;           // bytes of the pattern that the text so far ends with
  };

  std::vector<Pattern> patterns_;
  std::string held_;  // the end of the text that may begin a stop string
  bool is_over_ = false;
};

}  // namespace longshore::text
