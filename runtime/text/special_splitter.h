#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/text/vocabulary.h"

namespace longshore::text {

// A half-open range of bytes of a text in which control tokens may be matched.
struct TrustedRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// Cuts a text at the tokens that are matched as a whole: user-defined ones anywhere, control ones inside a
// trusted range only. Longer tokens are taken first, wherever they stand, and equal ones from the left: llama.cpp's
// rule, which is not leftmost-longest.
// Cost: one pass that notes where a special token may begin, then one over those places per token length.
// Thread: immutable.
class SpecialSplitter {
 public:
  struct Fragment {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::optional<TokenId> token;  // absent: plain text
  };

  explicit SpecialSplitter(const Vocabulary& vocabulary);

  // Fragments in order, covering the text, none empty.
  // Requires: `trusted` is ascending, disjoint, not touching, inside the text.
  std::vector<Fragment> split(std::string_view text, const std::vector<TrustedRange>& trusted) const;

 private:
  struct Entry {
    TokenId token = 0;
    bool control = false;
  };

  std::unordered_map<std::string_view, Entry> entries_;       // views into the vocabulary's tokens
  std::array<std::vector<std::uint32_t>, 256> lengths_;        // by first byte, descending
  std::vector<std::uint32_t> all_lengths_;                     // descending
};

}  // namespace longshore::text
