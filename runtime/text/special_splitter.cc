#include "runtime/text/special_splitter.h"

#include <algorithm>
#include <functional>

namespace longshore::text {
namespace {

bool lies_in(const std::vector<TrustedRange>& trusted, std::size_t begin, std::size_t end) {
  const auto after = std::upper_bound(trusted.begin(), trusted.end(), begin,
                                      [](std::size_t at, const TrustedRange& range) { return at < range.begin; });
  return after != trusted.begin() && end <= std::prev(after)->end;
}

}  // namespace

SpecialSplitter::SpecialSplitter(const Vocabulary& vocabulary) {
  for (TokenId id = 0; static_cast<std::size_t>(id) < vocabulary.size(); ++id) {
    const bool control = vocabulary.is_control(id);
    if (!control && !vocabulary.is_user_defined(id)) continue;
    const std::string& text = vocabulary.text(id);
    entries_.emplace(text, Entry{id, control});
    const auto length = static_cast<std::uint32_t>(text.size());
    lengths_[static_cast<std::uint8_t>(text.front())].push_back(length);
    all_lengths_.push_back(length);
  }
  const auto sort_unique = [](std::vector<std::uint32_t>& lengths) {
    std::sort(lengths.begin(), lengths.end(), std::greater<>());
    lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  };
  for (auto& lengths : lengths_) sort_unique(lengths);
  sort_unique(all_lengths_);
}

std::vector<SpecialSplitter::Fragment> SpecialSplitter::split(std::string_view text,
                                                              const std::vector<TrustedRange>& trusted) const {
  const auto match = [&](std::size_t begin, std::size_t length) -> std::optional<TokenId> {
    if (length > text.size() - begin) return std::nullopt;
    const auto place = entries_.find(text.substr(begin, length));
    if (place == entries_.end()) return std::nullopt;
    if (place->second.control && !lies_in(trusted, begin, begin + length)) return std::nullopt;
    return place->second.token;
  };

  // Where a token may begin, with the longest that does: no longer one needs to be looked for there.
  struct Candidate {
    std::size_t begin;
    std::uint32_t longest;
  };
  std::vector<Candidate> candidates;
  for (std::size_t begin = 0; begin < text.size(); ++begin) {
    for (const std::uint32_t length : lengths_[static_cast<std::uint8_t>(text[begin])]) {
      if (!match(begin, length)) continue;
      candidates.push_back({begin, length});
      break;
    }
  }

  std::vector<Fragment> tokens;
  if (!candidates.empty()) {
    std::vector<bool> taken(text.size(), false);
    for (const std::uint32_t length : all_lengths_) {
      for (const Candidate& candidate : candidates) {
        const std::size_t end = candidate.begin + length;
        // What was taken before is at least as long, so an overlap shows at one of the two ends.
        if (length > candidate.longest || taken[candidate.begin] || taken[end - 1]) continue;
        const auto token = match(candidate.begin, length);
        if (!token) continue;
        std::fill(taken.begin() + static_cast<std::ptrdiff_t>(candidate.begin),
                  taken.begin() + static_cast<std::ptrdiff_t>(end), true);
        tokens.push_back({candidate.begin, end, token});
      }
    }
    std::sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  }

  std::vector<Fragment> fragments;
  std::size_t done = 0;
  for (const Fragment& token : tokens) {
    if (token.begin > done) fragments.push_back({done, token.begin, std::nullopt});
    fragments.push_back(token);
    done = token.end;
  }
  if (done < text.size()) fragments.push_back({done, text.size(), std::nullopt});
  return fragments;
}

}  // namespace longshore::text
