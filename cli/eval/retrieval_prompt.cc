#include "cli/eval/retrieval_prompt.h"

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "cli/eval/haystack.h"
#include "cli/eval/prose.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"

namespace longshore::cli::eval {
namespace {

// For an answer of eight digits, a token each, a space, and a few words around it.
constexpr std::uint32_t kAnswerTokens = 16;

std::string digits(std::size_t count, Random& random) {
  std::string text(1, static_cast<char>('1' + random.below(9)));
  while (text.size() < count) text += static_cast<char>('0' + random.below(10));
  return text;
}

Haystack passkey(Random& random) {
  static constexpr std::array<std::string_view, 5> kTrivial = {
      "The meadow is wide.", "The clouds drift by.", "A cart rolls past.", "The day goes on.", "Nothing else is new."};
  Haystack haystack;
  haystack.expected = digits(5, random);
  haystack.before = "A pass key is hidden in a long and dull text. Read it, and keep the pass key in mind.\n\n";
  haystack.straw = [next = std::size_t{0}]() mutable { return std::string(kTrivial[next++ % kTrivial.size()]); };
  haystack.separator = ' ';
  haystack.needle = "The pass key is ";
  haystack.needle += haystack.expected;
  haystack.needle += ". Keep this number in mind.";
  haystack.after = "\n\nWhich number is the pass key?";
  haystack.answer_begin = "The pass key in the text is the number";
  return haystack;
}

Haystack needle(std::uint64_t seed, std::uint64_t stream, Random& random) {
  static constexpr std::array<std::string_view, 6> kOwners = {"lighthouse", "library", "railway",
                                                              "museum",     "bakery",  "observatory"};
  const std::string owner(kOwners[random.below(kOwners.size())]);
  Haystack haystack;
  haystack.expected = digits(7, random);
  haystack.before = "Somewhere in the following chronicle a secret number is told. Read it with care.\n\n";
  const auto prose = std::make_shared<Prose>(seed, stream);
  haystack.straw = [prose] { return prose->sentence(); };
  haystack.separator = ' ';
  haystack.needle = "The secret number of the ";
  haystack.needle += owner;
  haystack.needle += " is ";
  haystack.needle += haystack.expected;
  haystack.needle += ".";
  haystack.after = "\n\nWhat is the secret number of the ";
  haystack.after += owner;
  haystack.after += '?';
  haystack.answer_begin = "The secret number of the ";
  haystack.answer_begin += owner;
  haystack.answer_begin += " is";
  return haystack;
}

std::string pair_text(const std::string& key, const std::string& value) {
  std::string text(1, '"');
  text.append(key).append("\": \"").append(value);
  text += '"';
  return text;
}

std::string hexadecimal(std::size_t count, Random& random) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  while (text.size() < count) text += kDigits[random.below(kDigits.size())];
  return text;
}

Haystack kv(std::uint64_t seed, std::uint64_t stream, Random& random) {
  constexpr std::size_t kDigits = 8;
  const std::string key = hexadecimal(kDigits, random);
  Haystack haystack;
  haystack.expected = digits(kDigits, random);
  haystack.before = "Here is a JSON object. Find the value that belongs to one of its keys.\n\n{";
  haystack.straw = [others = Random(~seed, stream), key, expected = haystack.expected]() mutable {
    std::string other = key, value = expected;  // no second pair with the key or the value that is asked for
    while (other == key) other = hexadecimal(kDigits, others);
    while (value == expected) value = digits(kDigits, others);
    return pair_text(other, value);
  };
  haystack.separator = ",\n ";
  haystack.needle = pair_text(key, haystack.expected);
  haystack.after = "}\n\nWhat is the value of the key \"";
  haystack.after += key;
  haystack.after += "\"?";
  haystack.answer_begin = "The value of the key \"";
  haystack.answer_begin += key;
  haystack.answer_begin += "\" is \"";
  return haystack;
}

}  // namespace

Result<Prompt> retrieval_prompt(Task task, std::uint64_t seed, std::uint32_t index, std::uint32_t context,
                                const PromptEncoder& encoder) {
  const std::uint64_t stream = random_stream(task, index);
  Random random(seed, stream);
  Haystack haystack;
  switch (task) {
    case Task::kPasskey: haystack = passkey(random); break;
    case Task::kNeedle: haystack = needle(~seed, stream, random); break;
    case Task::kKv: haystack = kv(seed, stream, random); break;
    default: CHECK(false) << to_string(task) << " has no haystack";
  }
  return fill(haystack, encoder, context, kAnswerTokens, depth_of(index));
}

}  // namespace longshore::cli::eval
