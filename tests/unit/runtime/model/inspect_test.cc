#include "runtime/model/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/support/tiny_gguf.h"

namespace longshore::model {
namespace {

using test::GgufBuilder;
using test::TinyGguf;
using testing::HasSubstr;

struct Described {
  explicit Described(const GgufBuilder& builder) : bytes(builder.build()) {
    const auto file = GgufFile::parse("tiny.gguf", bytes);
    EXPECT_TRUE(file.has_value()) << file.error().message;
    text = describe(**file);
    json = boost::json::parse(describe_json(**file)).as_object();
  }
  GgufBuilder::Bytes bytes;
  std::string text;
  boost::json::object json;
};

TEST(InspectTest, CountsKvBytesOfAToken) {
  ModelConfig c;  // Qwen2.5 1.5B
  c.layers = 28;
  c.kv_heads = 2;
  c.head_dim = 128;
  EXPECT_EQ(kv_bytes_per_token(c, Dtype::kF32), 57344u);
  EXPECT_EQ(kv_bytes_per_token(c, Dtype::kF16), 28672u);
  EXPECT_EQ(kv_bytes_per_token(c, Dtype::kBF16), 28672u);
  EXPECT_EQ(kv_bytes_per_token(c, Dtype::kQ8_0), 15232u);
}

TEST(InspectTest, ShowsMetadataFormatsAndShape) {
  const TinyGguf tiny{.architecture = "gemma3"};
  GgufBuilder builder = tiny.metadata();
  builder.scalar<std::int32_t>("general.negative", GgufType::kInt32, -5);
  builder.array<float>("general.scores", GgufType::kFloat32, {1, 2, 3});
  tiny.add_tensors(builder);
  const Described d(builder);
  EXPECT_THAT(d.text, HasSubstr("gemma3.attention.sliding_window"));
  EXPECT_THAT(d.text, HasSubstr("[3 x float32]"));
  EXPECT_THAT(d.text, HasSubstr("gemma3, 12 layers, 64 embedding"));
  EXPECT_THAT(d.text, HasSubstr("10 layers see 512 tokens, 2 the whole context"));
  EXPECT_THAT(d.text, HasSubstr(to_hex(sha256(d.bytes))));

  EXPECT_EQ(d.json.at("metadata").at("general.negative").as_int64(), -5);
  EXPECT_EQ(d.json.at("metadata").at("general.scores").at("count"), 3);
  EXPECT_EQ(d.json.at("formats").at(0).at("name"), "F32");
  EXPECT_EQ(d.json.at("config").at("kv_bytes_per_token").at("f16"), 12 * 2 * 2 * 32 * 2);
  EXPECT_EQ(d.json.at("tensors").as_array().size(), d.json.at("formats").at(0).at("tensors").to_number<std::size_t>());
  EXPECT_FALSE(d.json.contains("unsupported"));
}

TEST(InspectTest, SaysWhyAModelIsNotSupported) {
  const Described d(GgufBuilder().text("general.architecture", "mamba"));
  EXPECT_THAT(d.text, HasSubstr("not supported: tiny.gguf: general.architecture mamba"));
  EXPECT_THAT(std::string(d.json.at("unsupported").as_string()), HasSubstr("mamba"));
}

TEST(InspectTest, LetsNoControlCharactersThrough) {
  const Described d(GgufBuilder().text("general.name", "a\x1b[31m\xff\xc3\xa9\xed\xa0\x80 b").text("k\ney", "v"));
  EXPECT_THAT(d.text, HasSubstr("a?[31m?\xc3\xa9"));
  EXPECT_EQ(d.text.find('\x1b'), std::string::npos);
  EXPECT_THAT(d.text, HasSubstr("k?ey"));
  EXPECT_TRUE(d.json.at("metadata").as_object().contains("k?ey"));
}

}  // namespace
}  // namespace longshore::model
