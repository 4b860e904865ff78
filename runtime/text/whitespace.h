#pragma once

#include <string_view>

namespace longshore::text {

// The text without white space at either end, as Jinja's trim and Python's str.strip do: Unicode's White_Space and
// the four information separators U+001C to U+001F.
std::string_view strip(std::string_view text);
std::string_view strip_end(std::string_view text);

}  // namespace longshore::text
