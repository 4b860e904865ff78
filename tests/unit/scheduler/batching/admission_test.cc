#include "scheduler/batching/admission.h"

#include <gtest/gtest.h>

#include "tests/unit/scheduler/batching/batcher_steps.h"

namespace longshore::batching {
namespace {

TEST(AdmissionTest, AcceptsWhatFits) { EXPECT_TRUE(check_request(request_of(100, 100), small_options()).has_value()); }

TEST(AdmissionTest, RefusesAnEmptyPrompt) {
  EXPECT_EQ(check_request(request_of(0, 5), small_options()).error().code, ErrorCode::kInvalidArgument);
}

TEST(AdmissionTest, RefusesTokensOutsideTheVocabulary) {
  auto request = request_of(3, 5);
  request.prompt[1] = 1000;
  EXPECT_EQ(check_request(request, small_options()).error().message, "prompt token 1 is 1000; the vocabulary has ids 0 to 999");
  request.prompt[1] = -1;
  EXPECT_EQ(check_request(request, small_options()).error().code, ErrorCode::kInvalidArgument);
}

TEST(AdmissionTest, RefusesWhatExceedsTheContext) {
  EXPECT_TRUE(check_request(request_of(4000, 96), small_options()).has_value());
  EXPECT_EQ(check_request(request_of(4000, 97), small_options()).error().code, ErrorCode::kInvalidArgument);
}

TEST(AdmissionTest, RefusesLengthsThatOverflow) {
  EXPECT_EQ(check_request(request_of(2, ~0u), small_options()).error().code, ErrorCode::kInvalidArgument);
}

TEST(AdmissionTest, RefusesSamplingOutOfRange) {
  auto request = request_of(3, 5);
  request.sampling.top_p = 2;
  EXPECT_EQ(check_request(request, small_options()).error().code, ErrorCode::kInvalidArgument);
}

TEST(AdmissionTest, RefusesWhatCanNeverFitWithTheNumbers) {
  auto options = small_options();
  options.kv_leaves = 2;
  EXPECT_TRUE(check_request(request_of(200, 57), options).has_value());  // 256 rows: the last token drawn is not run
  const auto refused = check_request(request_of(200, 58), options);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(refused.error().message.find("need 3 leaves of KV; all nodes together have 2"), std::string::npos);
}

TEST(AdmissionTest, AsksForTheTokensAndOneLeafMore) {
  Sequence sequence;
  sequence.tokens.resize(129);
  sequence.prompt_tokens = 129;
  sequence.max_tokens = 1000;
  EXPECT_EQ(leaves_to_admit(sequence), 3u);
  sequence.max_tokens = 1;  // the next leaf is never reached
  EXPECT_EQ(leaves_to_admit(sequence), 2u);
}

TEST(BatcherOptionsTest, NamesTheOptionThatIsOutOfRange) {
  auto options = small_options();
  options.chunk_tokens = 0;
  EXPECT_EQ(validate(options).error().message, "chunk_tokens is 0; it must be in [1, 65536]");
}

}  // namespace
}  // namespace longshore::batching
