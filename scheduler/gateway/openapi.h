#pragma once

#include <string_view>

namespace longshore::gateway {

// What /openapi.json answers: OpenAPI 3.1, written by hand; a test compares its paths with the routes.
extern const std::string_view kOpenApi;

}  // namespace longshore::gateway
