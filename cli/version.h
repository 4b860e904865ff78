#pragma once

#include <string_view>

namespace longshore::cli {
inline constexpr std::string_view kVersion = "0.1.0";  // as project() in CMakeLists.txt says
}
