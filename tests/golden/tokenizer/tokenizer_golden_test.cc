// The tokenizer against llama.cpp, with `==`: ids of difficult strings and of whole conversations, pieces, end tokens.
// make.py beside this file says how the expected values were made; only the models' vocabularies are needed here.

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "cli/model_path.h"
#include "runtime/base/sha256.h"
#include "runtime/model/gguf.h"
#include "runtime/model/vocabulary.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/incremental_text.h"
#include "runtime/text/tokenizer.h"

namespace longshore::text {
namespace {

std::vector<TokenId> ids_of(const boost::json::value& value) {
  std::vector<TokenId> ids;
  for (const auto& id : value.as_array()) ids.push_back(static_cast<TokenId>(id.as_int64()));
  return ids;
}

std::string text_of(const boost::json::value& value) { return std::string(value.as_string()); }

std::string bytes_of_hex(const boost::json::value& value) {
  const std::string hex = text_of(value);
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

Result<VocabularyData> vocabulary_of(const std::string& model) {
  const auto path = cli::find_model(model);
  if (!path) return path.error();
  const auto file = model::GgufFile::open(*path);
  if (!file) return file.error();
  return model::read_vocabulary(**file);
}

class TokenizerGoldenTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::ifstream file(std::string("tests/golden/tokenizer/") + GetParam() + ".json");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    golden_ = boost::json::parse(text).as_object();
    auto data = vocabulary_of(GetParam());
    ASSERT_TRUE(data) << data.error().message;
    data_ = std::move(*data);
    auto tokenizer = Tokenizer::create(data_);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    tokenizer_ = std::move(*tokenizer);
  }

  const boost::json::array& list(const char* key) const { return golden_.at(key).as_array(); }

  boost::json::object golden_;
  VocabularyData data_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(TokenizerGoldenTest, GivesTheIdsOfLlamaCpp) {
  ASSERT_GE(list("cases").size(), 500u);
  for (const auto& entry : list("cases")) {
    const std::string text = bytes_of_hex(entry.at(0));
    EXPECT_EQ(*tokenizer_->encode(text, {.add_special = true, .parse_special = false}), ids_of(entry.at(1))) << text;
    EXPECT_EQ(*tokenizer_->encode(text, {.add_special = true, .parse_special = true}), ids_of(entry.at(2))) << text;
  }
}

TEST_P(TokenizerGoldenTest, GivesTheIdsOfLlamaCppUnderOtherPreTokenizers) {
  constexpr std::string_view kPrefix = "pre ";
  for (const auto& [key, expected] : golden_) {
    if (!std::string_view(key).starts_with(kPrefix)) continue;
    VocabularyData data = data_;
    data.pre = std::string_view(key).substr(kPrefix.size());
    const auto tokenizer = Tokenizer::create(std::move(data));
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    for (std::size_t i = 0; i < list("cases").size(); ++i) {
      const std::string text = bytes_of_hex(list("cases").at(i).at(0));
      EXPECT_EQ(*(*tokenizer)->encode(text), ids_of(expected.at(i))) << key << ": " << text;
    }
  }
}

TEST_P(TokenizerGoldenTest, HasItsPiecesAndSpecialTokens) {
  EXPECT_EQ(static_cast<std::int64_t>(tokenizer_->vocabulary_size()), golden_.at("vocabulary_size").as_int64());
  EXPECT_EQ(tokenizer_->bos(), static_cast<TokenId>(golden_.at("bos").as_int64()));
  EXPECT_EQ(tokenizer_->eos(), static_cast<TokenId>(golden_.at("eos").as_int64()));
  EXPECT_EQ(tokenizer_->adds_bos(), golden_.at("add_bos").as_bool());
  const auto ends = tokenizer_->end_tokens();
  EXPECT_EQ(std::vector<TokenId>(ends.begin(), ends.end()), ids_of(golden_.at("end_tokens")));
  Sha256Stream digest;
  for (TokenId token = 0; tokenizer_->is_valid(token); ++token) {
    const std::string_view piece = tokenizer_->piece(token);
    digest.update(std::to_string(piece.size()) + "\n");
    digest.update(piece);
  }
  EXPECT_EQ(to_hex(digest.finish()), text_of(golden_.at("pieces_sha256")));
}

TEST_P(TokenizerGoldenTest, EncodesConversationsAsTheModelsTemplateWritesThem) {
  const auto chat_template = ChatTemplate::recognise(tokenizer_->chat_template_text());
  if (list("chats").empty()) {  // a base model
    ASSERT_FALSE(chat_template);
    EXPECT_NE(chat_template.error().message.find("/v1/completions only"), std::string::npos);
    return;
  }
  ASSERT_TRUE(chat_template) << chat_template.error().message;
  for (const auto& entry : list("chats")) {
    std::vector<ChatMessage> messages;
    for (const auto& message : entry.at(0).as_array()) {
      messages.push_back({text_of(message.at("role")), text_of(message.at("content"))});
    }
    const auto prompt = entry.at(1).as_bool() ? GenerationPrompt::kAdd : GenerationPrompt::kOmit;
    std::string rendered;
    for (const TextSegment& segment : *chat_template->render(messages, prompt)) rendered += segment.text;
    EXPECT_EQ(rendered, text_of(entry.at(2)));
    EXPECT_EQ(*encode_chat(*tokenizer_, *chat_template, messages, prompt), ids_of(entry.at(3))) << rendered;
  }
}

TEST_P(TokenizerGoldenTest, DecodesWhatItEncoded) {
  const bool is_spm = data_.model == "llama";
  std::size_t compared = 0;
  for (const auto& entry : list("cases")) {
    const std::string text = bytes_of_hex(entry.at(0));
    IncrementalText stream;
    const std::string valid = stream.append(text);
    if (valid != text || stream.holds_back()) continue;                          // not UTF-8
    if (is_spm && text.find("\xE2\x96\x81") != std::string::npos) continue;  // how SPM writes a space
    EXPECT_EQ(tokenizer_->decode(*tokenizer_->encode(text, {.add_special = false})), text);
    ++compared;
  }
  EXPECT_GE(compared, 400u);
}

TEST_P(TokenizerGoldenTest, LetsNoTextOfAUserBecomeAControlToken) {
  for (TokenId token = 0; tokenizer_->is_valid(token); ++token) {
    if (!tokenizer_->is_control(token)) continue;
    const std::string name(tokenizer_->piece(token));
    for (const TokenId id : *tokenizer_->encode(name, {.add_special = false})) EXPECT_FALSE(tokenizer_->is_control(id)) << name;
    EXPECT_EQ(*tokenizer_->encode(name, {.add_special = false, .parse_special = true}), std::vector<TokenId>{token}) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Models,
                         TokenizerGoldenTest,
                         testing::Values("smollm2-135m", "gemma3-270m", "qwen2.5-coder-1.5b"),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
                           return name;
                         });

}  // namespace
}  // namespace longshore::text
