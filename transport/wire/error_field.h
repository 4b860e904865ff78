#pragma once

#include "runtime/base/result.h"
#include "transport/wire/reader.h"
#include "transport/wire/writer.h"

#include <optional>
#include <string_view>

namespace longshore::wire {

// An error inside a message: u8 code (0: none, else its place in ErrorCode plus one), and if there is one its
// text.
void put_error(Writer& writer, const std::optional<Error>& error);
std::optional<Error> get_error(Reader& reader, std::string_view field);

}  // namespace longshore::wire
