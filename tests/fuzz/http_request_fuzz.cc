// Bodies of the API's POST requests: whatever the bytes, every parser answers a request within its limits or
// an error that a client can read, and what a reply says is JSON again.

#include "runtime/base/check.h"
#include "runtime/plan/sampling_params.h"
#include "scheduler/gateway/openai_request.h"
#include "transport/http/message.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

namespace longshore::gateway {
namespace {

constexpr std::uint32_t kVocabulary = 1000;

template <typename Request>
const Request* check(const Parsed<Request>& parsed) {
  const auto* error = std::get_if<http::ApiError>(&parsed);
  if (error == nullptr) return &std::get<Request>(parsed);
  CHECK(error->status == 400 && !error->message.empty() && !error->code.empty()) << error->message;
  CHECK(http::error_json(*error).ends_with("}}"));
  return nullptr;
}

void check_fields(const GenerationFields& fields) {
  CHECK(static_cast<bool>(validate(fields.sampling)));
  CHECK(fields.n >= 1 && fields.n <= 128) << fields.n;
  CHECK(fields.stop.size() <= kStopStringsMax) << fields.stop.size();
}

}  // namespace
}  // namespace longshore::gateway

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace longshore::gateway;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto chat = parse_chat_request(body, kVocabulary);
  if (const auto* request = check(chat)) {
    check_fields(request->fields);
    CHECK(!request->messages.empty());
  }
  const auto completion = parse_completion_request(body, kVocabulary);
  if (const auto* request = check(completion)) {
    check_fields(request->fields);
    CHECK(!request->prompts.empty());
  }
  const auto tokenize = parse_tokenize_request(body);
  check(tokenize);
  const auto detokenize = parse_detokenize_request(body, kVocabulary);
  if (const auto* request = check(detokenize))
    for (const auto token : request->tokens) CHECK(token >= 0 && std::uint32_t(token) < kVocabulary);
  return 0;
}
