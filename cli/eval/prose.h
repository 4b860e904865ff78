#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "runtime/base/random.h"

namespace longshore::cli::eval {

// English prose of a seeded grammar: a village chronicle with a few people, whose trades, towns and animals keep coming
// back, so that what stands far before helps to tell what comes. Without digits, so that a number hidden in it is the only
// one. The same seed and stream give the same text everywhere. Thread: one.
class Prose {
 public:
  Prose(std::uint64_t seed, std::uint64_t stream);

  // One sentence with its full stop, without a space around it.
  std::string sentence();
  // Paragraphs of at least so many bytes in all.
  std::string text(std::size_t bytes);

 private:
  struct Person {
    std::string name, trade, town, animal, pet;
  };
  static constexpr std::size_t kPeople = 7;

  Random random_;
  std::array<Person, kPeople> people_;
};

}  // namespace longshore::cli::eval
