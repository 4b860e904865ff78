#pragma once

#include <string>

namespace longshore::cli::eval {

// std::printf into a string; whatever is longer than 4095 bytes is cut.
__attribute__((format(printf, 1, 2))) std::string format_text(const char* form, ...);

}  // namespace longshore::cli::eval
