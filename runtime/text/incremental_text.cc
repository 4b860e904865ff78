#include "runtime/text/incremental_text.h"

#include "runtime/text/utf8.h"

namespace longshore::text {

std::string IncrementalText::append(std::string_view bytes) {
  pending_.append(bytes);
  std::string out;
  out.reserve(pending_.size());
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const Utf8Prefix prefix = read_prefix(rest);
    if (prefix.state == Utf8Prefix::State::kUnfinished) break;
    out.append(prefix.state == Utf8Prefix::State::kWhole ? rest.substr(0, prefix.bytes) : kReplacementCharacter);
    rest.remove_prefix(prefix.bytes);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return out;
}

std::string IncrementalText::flush() {
  std::string out(pending_.empty() ? std::string_view() : kReplacementCharacter);
  pending_.clear();
  return out;
}

}  // namespace longshore::text
