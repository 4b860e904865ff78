#pragma once

#include "runtime/base/result.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longshore::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

// A request whose head and body have been read whole and are within the server's limits. Bytes are the
// peer's: header values and body are not checked for anything else.
struct Request {
  std::string method = {};  // "GET", ...
  std::string path = {};    // without the query
  std::string query = {};   // after '?', as sent
  Headers headers = {};     // names in lower case
  std::string body = {};
  std::string id = {};  // the client's x-request-id where it is 1 to 128 of [A-Za-z0-9._:-], else one of ours

  // The first header of that (lower case) name; empty where there is none.
  std::string_view header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  Headers headers = {};  // beside content type, length and x-request-id, which the server writes
  std::string body = {};
};

// "Not Found", ...; "Unknown" for a status that this project does not send.
std::string_view reason_phrase(int status);

// Appends `text` as a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// The envelope that OpenAI clients read: {"error":{"message","type","param","code"}}; the type follows from
// the status, an empty param or code is null.
struct ApiError {
  int status = 400;
  std::string message = {};
  std::string code = {};
  std::string param = {};
};
std::string error_json(const ApiError& error);
// With Retry-After for 429 and 503.
Response error_response(const ApiError& error);

// What a client is told for an Error of ours: status as in house rules (400 404 429 503 504 500).
ApiError to_api_error(const Error& error);

}  // namespace longshore::http
