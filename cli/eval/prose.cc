#include "cli/eval/prose.h"

#include <iterator>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace longshore::cli::eval {
namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view kNames[] = {"Marta",  "Osric", "Linnea", "Tobias", "Wendel", "Ingrid", "Casper", "Nell",
                                       "Bertil", "Agnes", "Rupert", "Sanna",  "Emeric", "Viola",  "Jonas",  "Hilde"};
constexpr std::string_view kTrades[] = {"miller",    "ferryman", "weaver",  "beekeeper", "clockmaker", "baker",
                                        "carpenter", "shepherd", "teacher", "potter",    "gardener",   "printer",
                                        "fisherman", "cooper",   "glazier", "postman"};
constexpr std::string_view kTowns[] = {"Eldham", "Norwick",  "Sandvik",   "Harrow Bridge", "Millbrook",    "Oster Bay",
                                       "Linden", "Greyford", "Stonewell", "Upper Fen",     "Kestrel Hill", "Westmere"};
constexpr std::string_view kAnimals[] = {"dog", "cat", "horse", "goat", "goose", "donkey", "raven", "cow"};
constexpr std::string_view kPets[] = {"Biscuit", "Thunder", "Pepper",  "Clover", "Admiral", "Button",
                                      "Juniper", "Shadow",  "Duchess", "Pickle", "Copper",  "Willow"};
constexpr std::string_view kThings[] = {
    "a basket of apples", "the old bell",     "a letter with a red seal", "two sacks of flour",
    "a broken lantern",   "the blue cart",    "a map of the river",       "a jar of honey",
    "the church key",     "a wooden ladder",  "a bundle of wool",         "the long rope",
    "a silver spoon",     "a box of candles", "the narrow boat",          "a cup without a handle"};
constexpr std::string_view kDeeds[] = {"carried", "mended",  "lost",     "found", "sold",
                                       "bought",  "painted", "borrowed", "hid",   "brought back"};
constexpr std::string_view kTimes[] = {"in the morning",      "before the rain came", "on market day",
                                       "after the harvest",   "when the river froze", "at the end of the summer",
                                       "late in the evening", "as every year"};
constexpr std::string_view kPlaces[] = {"by the well",      "behind the mill", "at the crossing", "under the old oak",
                                        "near the harbour", "in the square",   "on the hill",     "beside the road"};
constexpr std::string_view kReasons[] = {
    "because nobody else would do it", "although it was raining", "and nobody was surprised",
    "which pleased the whole village", "as had been agreed",      "and it took the whole day",
    "for a very small price",          "without saying a word"};

std::string pick(Words words, Random& random) { return std::string(words[random.below(words.size())]); }

// `count` different ones.
template <std::size_t count>
std::array<std::string, count> pick_different(Words from, Random& random) {
  std::vector<std::string_view> words(from.begin(), from.end());
  std::array<std::string, count> picked;
  for (std::size_t i = 0; i < count; ++i) {
    std::swap(words[i], words[i + random.below(words.size() - i)]);
    picked[i] = words[i];
  }
  return picked;
}

// The text with every "{k}" replaced by words[k].
std::string fill(std::string_view form, const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t at = 0; at < form.size(); ++at)
    if (form[at] == '{') {
      text += words[static_cast<std::size_t>(form[at + 1] - '0')];
      at += 2;
    } else {
      text += form[at];
    }
  return text;
}

}  // namespace

Prose::Prose(std::uint64_t seed, std::uint64_t stream) : random_(seed, stream) {
  const auto names = pick_different<kPeople>(kNames, random_), trades = pick_different<kPeople>(kTrades, random_),
             pets = pick_different<kPeople>(kPets, random_);
  for (std::size_t p = 0; p < kPeople; ++p)
    people_[p] = {names[p], trades[p], pick(kTowns, random_), pick(kAnimals, random_), pets[p]};
}

std::string Prose::sentence() {
  // {0} to {4}: a person's name, trade, town, animal and its name; {5} another's name; then a deed, a thing, a time, a
  // place.
  static constexpr std::string_view kForms[] = {
      "{0}, the {1} of {2}, {6} {7} {8}.",
      "The {3} of {0} is called {4}.",
      "In {2} they say that {0} {6} {7} {9}.",
      "{8}, {0} met {5} {9} and spoke of {7}.",
      "{4}, the {3} of the {1}, was seen {9} {8}.",
      "The {1} {6} {7}, ",
      "When {5} asked for {7}, {0} pointed to the place {9}.",
      "Nobody in {2} knows more about {7} than {0} the {1}.",
      "{5} and {0} {6} {7} together {8}, ",
      "It was {9} that {0} {6} {7}, ",
  };
  const std::uint64_t who = random_.below(kPeople);
  const Person& person = people_[who];
  const Person& other = people_[(who + 1 + random_.below(kPeople - 1)) % kPeople];
  const std::string_view form = kForms[random_.below(std::size(kForms))];
  // One after the other: the order in which arguments of a call are evaluated is not fixed.
  std::vector<std::string> words = {person.name, person.trade, person.town, person.animal, person.pet, other.name};
  for (const Words list : {Words(kDeeds), Words(kThings), Words(kTimes), Words(kPlaces)})
    words.push_back(pick(list, random_));
  std::string text = fill(form, words);
  if (text.ends_with(", ")) {
    text += pick(kReasons, random_);
    text += '.';
  }
  if (text.front() >= 'a' && text.front() <= 'z') text.front() = static_cast<char>(text.front() - 'a' + 'A');
  return text;
}

std::string Prose::text(std::size_t bytes) {
  constexpr std::uint64_t kSentencesOfParagraph = 6;
  std::string text;
  while (text.size() < bytes) {
    text += sentence();
    text += random_.below(kSentencesOfParagraph) == 0 ? "\n\n" : " ";
  }
  return text;
}

}  // namespace longshore::cli::eval
