#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace longshore::text {

// Finds the first stop string in streamed text, and lets through only what cannot be part of one.
//
// Of several matches the one that ends first wins, of those the one that begins first, so the result does not
// depend on how the text was cut. Text of the stop string itself is not given out.
// Thread: one thread at a time; each stream has its own.
class StopMatcher {
 public:
  struct Output {
    std::string text;                   // may be sent now
    std::optional<std::size_t> matched;  // index of the stop string; the stream is over
  };

  // Empty stop strings are left out; limits on number and length are the request's.
  explicit StopMatcher(std::vector<std::string> stops);

  // Requires: nothing has matched before.
  Output append(std::string_view text);

  // The end of the stream without a match: what was held back.
  std::string flush();

  const std::vector<std::string>& stops() const { return stops_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;  // the longest end of the text that begins a stop string
};

}  // namespace longshore::text
