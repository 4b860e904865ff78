#pragma once

#include <string>
#include <string_view>

namespace longshore::text {

// Turns the bytes of successive tokens into text that is safe to stream: always whole UTF-8 characters.
//
// Bytes that may still become a character are held back (at most three). Bytes that can no longer become one
// are replaced by U+FFFD, one per maximal ill-formed part (Unicode 15, section 3.9, table 3-7), so the text does
// not depend on how it was cut into pieces. Thread: one thread at a time; each stream has its own.
class IncrementalText {
 public:
  // The text that is certain after `bytes`; may be empty.
  std::string append(std::string_view bytes);

  // The end of the stream: what was held back becomes one U+FFFD. Ready for a new stream afterwards.
  std::string flush();

  bool holds_back() const { return !pending_.empty(); }

 private:
  std::string pending_;  // a proper prefix of a well-formed character
};

}  // namespace longshore::text
