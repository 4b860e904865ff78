#include "transport/wire/error_field.h"

#include "transport/wire/limits.h"

namespace longshore::wire {

namespace {
constexpr std::uint8_t kLastCode = static_cast<std::uint8_t>(ErrorCode::kInternal) + 1;
}

void put_error(Writer& writer, const std::optional<Error>& error) {
  writer.put<std::uint8_t>(error ? static_cast<std::uint8_t>(static_cast<std::uint8_t>(error->code) + 1) : 0);
  if (error) writer.text(error->message, kTextBytesMax);
}

std::optional<Error> get_error(Reader& reader, std::string_view field) {
  const std::uint8_t code = reader.in_range<std::uint8_t>(field, 0, kLastCode);
  if (code == 0) return std::nullopt;
  return Error{static_cast<ErrorCode>(code - 1), reader.text(field, kTextBytesMax)};
}

}  // namespace longshore::wire
