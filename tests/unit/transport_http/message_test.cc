#include "transport/http/message.h"

#include <gtest/gtest.h>

namespace longshore::http {
namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonStringTest, EscapesWhatJsonForbids) {
  EXPECT_EQ(as_json("a\"b\\c\n\r\t"), R"("a\"b\\c\n\r\t")");
  EXPECT_EQ(as_json(std::string("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
}

TEST(JsonStringTest, KeepsWellFormedUtf8) { EXPECT_EQ(as_json("é 漢 😀"), "\"é 漢 😀\""); }

TEST(JsonStringTest, ReplacesEachBadByte) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(as_json("a\xFF"), "\"a" + bad + "\"");
  EXPECT_EQ(as_json("\xC0\x80"), "\"" + bad + bad + "\"") << "overlong";
  EXPECT_EQ(as_json("\xED\xA0\x80"), "\"" + bad + bad + bad + "\"") << "surrogate";
  EXPECT_EQ(as_json("\xF4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"") << "past the last character";
  EXPECT_EQ(as_json("\xE6\xBC"), "\"" + bad + bad + "\"") << "cut off";
}

TEST(ErrorResponseTest, IsTheEnvelopeThatClientsRead) {
  const Response response =
      error_response({.status = 400, .message = "n is 0", .code = "invalid_argument", .param = "n"});
  EXPECT_EQ(
      response.body,
      R"({"error":{"message":"n is 0","type":"invalid_request_error","param":"n","code":"invalid_argument"}})");
  EXPECT_TRUE(response.headers.empty());
}

TEST(ErrorResponseTest, SaysWhenToComeBack) {
  for (const int status : {429, 503}) {
    const Response response = error_response({.status = status, .message = "later"});
    ASSERT_EQ(response.headers.size(), 1u);
    EXPECT_EQ(response.headers[0].first, "Retry-After");
  }
}

TEST(ApiErrorTest, HasTheStatusOfItsCode) {
  const auto status = [](ErrorCode code) { return to_api_error({code, "text"}).status; };
  EXPECT_EQ(status(ErrorCode::kInvalidArgument), 400);
  EXPECT_EQ(status(ErrorCode::kNotFound), 404);
  EXPECT_EQ(status(ErrorCode::kResourceExhausted), 429);
  EXPECT_EQ(status(ErrorCode::kUnavailable), 503);
  EXPECT_EQ(status(ErrorCode::kFailedPrecondition), 503);
  EXPECT_EQ(status(ErrorCode::kDeadlineExceeded), 504);
  EXPECT_EQ(status(ErrorCode::kDataLoss), 500);
  EXPECT_EQ(to_api_error({ErrorCode::kResourceExhausted, "full"}).code, "resource_exhausted");
}

}  // namespace
}  // namespace longshore::http
