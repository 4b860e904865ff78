#include "runtime/text/stop_matcher.h"

#include <algorithm>
#include <utility>

#include "runtime/base/check.h"

namespace longshore::text {
namespace {

std::vector<std::size_t> borders_of(std::string_view pattern) {
  std::vector<std::size_t> borders(pattern.size(), 0);
  for (std::size_t i = 1, border = 0; i < pattern.size(); ++i) {
    while (border > 0 && pattern[i] != pattern[border]) border = borders[border - 1];
    if (pattern[i] == pattern[border]) ++border;
    borders[i] = border;
  }
  return borders;
}

}  // namespace

StopMatcher::StopMatcher(const std::vector<std::string>& stops) {
  for (const std::string& stop : stops) patterns_.push_back({stop, borders_of(stop), 0});
}

StopMatcher::Output StopMatcher::append(std::string_view text) {
  CHECK(!is_over_) << "text after a stop string";
  for (const char byte : text) {
    held_.push_back(byte);
    std::optional<std::size_t> matched;
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      Pattern& pattern = patterns_[i];
      if (pattern.text.empty()) continue;
      while (pattern.matched > 0 && pattern.text[pattern.matched] != byte) {
        pattern.matched = pattern.borders[pattern.matched - 1];
      }
      if (pattern.text[pattern.matched] == byte) ++pattern.matched;
      const bool is_whole = pattern.matched == pattern.text.size();
      if (is_whole && (!matched || pattern.text.size() > patterns_[*matched].text.size())) matched = i;
    }
    if (matched) {
      is_over_ = true;
      held_.resize(held_.size() - patterns_[*matched].text.size());
      return {std::exchange(held_, {}), matched};
    }
  }
  std::size_t keep = 0;
  for (const Pattern& pattern : patterns_) keep = std::max(keep, pattern.matched);
  Output out{held_.substr(0, held_.size() - keep), std::nullopt};
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string StopMatcher::flush() {
  for (Pattern& pattern : patterns_) pattern.matched = 0;
  return std::exchange(held_, {});
}

}  // namespace longshore::text
