#include "cli/eval/format_text.h"

#include <cstdarg>
#include <cstdio>

namespace longshore::cli::eval {

std::string format_text(const char* form, ...) {
  char text[4096];
  va_list values;
  va_start(values, form);
  std::vsnprintf(text, sizeof text, form, values);
  va_end(values);
  return text;
}

}  // namespace longshore::cli::eval
