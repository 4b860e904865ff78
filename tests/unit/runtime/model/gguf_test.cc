#include "runtime/model/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "runtime/base/random.h"
#include "runtime/model/model_config.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/tiny_gguf.h"

namespace longshore::model {
namespace {

using kernels::WeightFormat;
using test::GgufBuilder;
using testing::ElementsAre;
using testing::HasSubstr;
using Bytes = GgufBuilder::Bytes;
using Type = GgufType;

// The bytes and the file over them.
struct Parsed {
  explicit Parsed(Bytes all) : bytes(std::move(all)), file(GgufFile::parse("m.gguf", bytes)) {}
  explicit Parsed(const GgufBuilder& builder) : Parsed(builder.build()) {}
  Bytes bytes;
  Result<std::unique_ptr<GgufFile>> file;
};

void expect_refused(const GgufBuilder& builder, const std::string& reason) {
  const Parsed parsed(builder);
  ASSERT_FALSE(parsed.file.has_value()) << "accepted; expected: " << reason;
  EXPECT_EQ(parsed.file.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(parsed.file.error().message, HasSubstr("m.gguf"));
  EXPECT_THAT(parsed.file.error().message, HasSubstr(reason));
}

Bytes count_bytes(std::uint32_t element, std::uint64_t count) {
  Bytes out;
  GgufBuilder::put(out, element);
  GgufBuilder::put(out, count);
  return out;
}

TEST(GgufFileTest, ReadsEveryTypeOfMetadata) {
  const Parsed parsed(GgufBuilder()
                          .scalar<std::uint8_t>("u8", Type::kUint8, 200)
                          .scalar<std::int16_t>("i16", Type::kInt16, -7)
                          .uint32("u32", 4000000000u)
                          .scalar<std::uint64_t>("u64", Type::kUint64, 1ull << 40)
                          .float32("f32", 1.5f)
                          .scalar<double>("f64", Type::kFloat64, 0.25)
                          .boolean("yes", true)
                          .text("name", "Gemma \xc3\xa9")
                          .texts("tokens", {"a", "", "\xe2\x96\x81the"})
                          .array<float>("scores", Type::kFloat32, {-1.0f, 2.5f})
                          .array<std::int8_t>("kinds", Type::kInt8, {1, -3})
                          .array<std::uint8_t>("flags", Type::kBool, {1, 0}));
  ASSERT_TRUE(parsed.file.has_value()) << parsed.file.error().message;
  const GgufFile& file = **parsed.file;
  EXPECT_EQ(*file.get<std::uint32_t>("u8"), 200u);
  EXPECT_EQ(*file.get<std::uint32_t>("u32"), 4000000000u);
  EXPECT_EQ(*file.get<std::uint64_t>("u64"), 1ull << 40);
  EXPECT_EQ(*file.get<float>("f32"), 1.5f);
  EXPECT_EQ(*file.get<float>("f64"), 0.25f);
  EXPECT_TRUE(*file.get<bool>("yes"));
  EXPECT_EQ(*file.get<std::string_view>("name"), "Gemma \xc3\xa9");
  EXPECT_THAT(*file.get<std::vector<std::string_view>>("tokens"), ElementsAre("a", "", "\xe2\x96\x81the"));
  EXPECT_THAT(*file.get<std::vector<float>>("scores"), ElementsAre(-1.0f, 2.5f));
  EXPECT_THAT(*file.get<std::vector<std::int32_t>>("kinds"), ElementsAre(1, -3));
  EXPECT_THAT(*file.get<std::vector<bool>>("flags"), ElementsAre(true, false));
  EXPECT_EQ(file.entries().size(), 12u);
  EXPECT_EQ(file.find("tokens")->count, 3u);
}

TEST(GgufFileTest, RefusesAValueOfAnotherTypeOrRange) {
  const Parsed parsed(GgufBuilder().scalar<std::int16_t>("i16", Type::kInt16, -7).text("name", "x").scalar<double>(
      "huge", Type::kFloat64, 1e300));
  ASSERT_TRUE(parsed.file.has_value());
  const GgufFile& file = **parsed.file;
  EXPECT_THAT(file.get<std::uint32_t>("i16").error().message, HasSubstr("integer in [0, 2^32)"));
  EXPECT_THAT(file.get<float>("name").error().message, HasSubstr("m.gguf: metadata name has type string"));
  EXPECT_FALSE(file.get<float>("huge").has_value());
  EXPECT_FALSE(file.get<std::vector<float>>("name").has_value());
  EXPECT_FALSE(file.get<std::string_view>("i16").has_value());
  EXPECT_FALSE(file.get_or<float>("name", 1).has_value()) << "a wrong type is no absent key";
  EXPECT_EQ(*file.get_or<float>("none", 7), 7);
  EXPECT_EQ(file.get<bool>("none").error().code, ErrorCode::kNotFound);
}

TEST(GgufFileTest, PlacesTensorsByNameShapeAndFormat) {
  const Parsed parsed(GgufBuilder()
                          .floats("norm", {3}, {1, 2, 3})
                          .tensor("q", {256, 2}, WeightFormat::kQ4_K)
                          .tensor("cube", {4, 3, 2}, WeightFormat::kF16));
  ASSERT_TRUE(parsed.file.has_value()) << parsed.file.error().message;
  const GgufFile& file = **parsed.file;
  ASSERT_EQ(file.tensors().size(), 3u);
  const GgufTensor& norm = **file.tensor("norm");
  float values[3];
  ASSERT_EQ(norm.bytes.size(), sizeof(values));
  std::memcpy(values, norm.bytes.data(), sizeof(values));
  EXPECT_THAT(values, ElementsAre(1, 2, 3));
  const GgufTensor& q = **file.tensor("q");
  EXPECT_EQ(q.format, WeightFormat::kQ4_K);
  EXPECT_EQ(q.row_elements(), 256u);
  EXPECT_EQ(q.rows(), 2u);
  EXPECT_EQ(q.bytes.size(), 288u);
  EXPECT_EQ(file.find_tensor("cube")->rows(), 6u);
  EXPECT_EQ(shape_to_string(*file.find_tensor("cube")), "[4, 3, 2]");
  EXPECT_EQ(file.tensor("none").error().code, ErrorCode::kNotFound);
}

TEST(GgufFileTest, RefusesOtherFilesAndVersions) {
  Bytes text(100, std::byte{'x'});
  EXPECT_THAT(GgufFile::parse("m", text).error().message, HasSubstr("not a GGUF file"));
  expect_refused(GgufBuilder().version(1), "version 1 is not supported");
  expect_refused(GgufBuilder().version(4), "version 4 is not supported");
  expect_refused(GgufBuilder().version(3u << 24), "big-endian");
  EXPECT_TRUE(Parsed(GgufBuilder().version(2)).file.has_value());
}

TEST(GgufFileTest, RefusesCountsBeyondTheirLimitsOrTheFile) {
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 63;
  expect_refused(GgufBuilder().entry_count(kHuge), "metadata count 9223372036854775808 is above the limit 65536");
  expect_refused(GgufBuilder().tensor_count(kHuge), "tensor count 9223372036854775808 is above the limit 65536");
  expect_refused(GgufBuilder().entry_count(60000), "do not fit into the");
  expect_refused(GgufBuilder().raw("a", 9, count_bytes(5, kHuge)), "claims 9223372036854775808 elements");
  expect_refused(GgufBuilder().raw("a", 9, count_bytes(8, kHuge)), "claims 9223372036854775808 elements");
  Bytes length;
  GgufBuilder::put(length, kHuge);
  expect_refused(GgufBuilder().raw("a", 8, length), "a at byte");
}

TEST(GgufFileTest, RefusesUnknownNestedAndDuplicateMetadata) {
  expect_refused(GgufBuilder().raw("a", 13), "metadata a has unknown type 13");
  expect_refused(GgufBuilder().raw("a", 9, count_bytes(99, 0)), "array of unknown type 99");
  expect_refused(GgufBuilder().raw("a", 9, count_bytes(9, 0)), "array of arrays");
  expect_refused(GgufBuilder().uint32("twice", 1).uint32("twice", 1), "metadata key twice occurs twice");
  expect_refused(GgufBuilder().uint32("", 1), "is empty");
  expect_refused(GgufBuilder().uint32(std::string(65536, 'k'), 1), "above the limit 65535");
  expect_refused(GgufBuilder().scalar<std::uint8_t>("b", Type::kBool, 2), "neither 0 nor 1");
  expect_refused(GgufBuilder().array<std::uint8_t>("b", Type::kBool, {0, 9}), "neither 0 nor 1");
}

TEST(GgufFileTest, RefusesWrongAlignment) {
  for (std::uint32_t wrong : {0u, 4u, 48u, 131072u})
    expect_refused(GgufBuilder().uint32("general.alignment", wrong), "general.alignment is " + std::to_string(wrong));
  expect_refused(GgufBuilder().text("general.alignment", "32"), "general.alignment has type string");
  EXPECT_TRUE(Parsed(GgufBuilder().alignment(64).tensor("a", {4}).tensor("b", {4})).file.has_value());
  expect_refused(GgufBuilder().tensor("a", {64}).raw_tensor("b", {4}, 0, 8), "not a multiple of the alignment 32");
}

TEST(GgufFileTest, RefusesWrongTensors) {
  expect_refused(GgufBuilder().tensor("t", {4}).tensor("t", {4}), "tensor name t occurs twice");
  expect_refused(GgufBuilder().raw_tensor("", {4}, 0, 0), "is empty");
  expect_refused(GgufBuilder().raw_tensor(std::string(257, 't'), {4}, 0, 0), "above the limit 256");
  expect_refused(GgufBuilder().raw_tensor("t", {}, 0, 0), "has 0 dimensions");
  expect_refused(GgufBuilder().raw_tensor("t", {1, 1, 1, 1, 1}, 0, 0), "has 5 dimensions");
  expect_refused(GgufBuilder().raw_tensor("t", {4, 0}, 0, 0), "extent 0 in dimension 1");
  expect_refused(GgufBuilder().raw_tensor("t", {1ull << 32, 1ull << 32}, 0, 0), "extent 4294967296 in dimension 1");
  expect_refused(GgufBuilder().raw_tensor("t", {1ull << 63, 2}, 0, 0), "extent 9223372036854775808 in dimension 0");
  expect_refused(GgufBuilder().raw_tensor("t", {256}, 23, 0), "tensor t is stored as IQ4_XS (type 23)");
  expect_refused(GgufBuilder().raw_tensor("t", {32}, 4, 0), "unknown (type 4)");
  expect_refused(GgufBuilder().raw_tensor("t", {48, 2}, 8, 0), "rows of 48 elements, not whole blocks of 32");
}

TEST(GgufFileTest, RefusesTensorsBeyondTheFileOrOverEachOther) {
  expect_refused(GgufBuilder().raw_tensor("t", {4}, 0, 0), "needs bytes 0 to 0 + 16 of the data, and the file has 0");
  expect_refused(GgufBuilder().tensor("a", {4}).raw_tensor("t", {4}, 0, ~std::uint64_t{31}), "needs bytes");
  expect_refused(GgufBuilder().tensor("a", {64}).raw_tensor("t", {16}, 0, 32), "a and t overlap at offset 32");
  expect_refused(GgufBuilder().tensor("a", {4}).raw_tensor("t", {4}, 0, 0), "overlap at offset 0");
}

TEST(GgufFileTest, NamesInErrorsAreFitForALog) {
  expect_refused(GgufBuilder().raw("bad\n\x1b[2J\xff", 77), "metadata bad??[2J? has unknown type 77");
}

// Every prefix of a valid file is an error, never a crash, until the last tensor is whole.
TEST(GgufFileTest, RefusesEveryTruncation) {
  const Bytes whole = GgufBuilder()
                          .text("general.architecture", "llama")
                          .texts("tokens", {"a", "b"})
                          .array<std::uint32_t>("n", Type::kUint32, {1, 2, 3})
                          .tensor("t", {32, 2}, WeightFormat::kQ8_0)
                          .build();
  ASSERT_TRUE(GgufFile::parse("m", whole).has_value());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_FALSE(GgufFile::parse("m", part).has_value()) << size << " of " << whole.size() << " bytes";
  }
}

TEST(GgufFileTest, SurvivesThousandsOfMutatedHeaders) {
  const Bytes whole = test::TinyGguf{.architecture = "gemma3", .layers = 2}.build().build();
  std::size_t header = 0;
  {
    const auto file = GgufFile::parse("m", whole);
    ASSERT_TRUE(file.has_value()) << file.error().message;
    header = static_cast<std::size_t>((*file)->tensors().front().bytes.data() - whole.data());
  }
  constexpr std::uint64_t kEdges[] = {0, 1, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, ~0ull};
  Random random(42);
  std::size_t accepted = 0;
  Bytes bytes = whole;
  for (int round = 0; round < 20000; ++round) {
    std::memcpy(bytes.data(), whole.data(), header);
    for (std::uint64_t change = 0; change <= random.below(3); ++change) {
      const std::size_t at = random.below(header - 8);
      if (random.below(2) == 0) bytes[at] = static_cast<std::byte>(random());
      else std::memcpy(bytes.data() + at, &kEdges[random.below(std::size(kEdges))], 8);
    }
    const auto file = GgufFile::parse("m", bytes);
    if (file && parse_model_config(**file)) ++accepted;
  }
  EXPECT_GT(accepted, 10u);  // some bytes matter to nobody: names of other keys, the value of an epsilon
  EXPECT_LT(accepted, 10000u);
}

TEST(GgufFileTest, OpensAFileAndHashesIt) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "longshore_gguf_test.gguf";
  const Bytes bytes = GgufBuilder().text("general.name", "On disk").tensor("t", {8}).build();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()),
                                              static_cast<std::streamsize>(bytes.size()));
  const auto file = GgufFile::open(path);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(*(*file)->get<std::string_view>("general.name"), "On disk");
  EXPECT_EQ((*file)->size(), bytes.size());
  EXPECT_EQ(to_hex((*file)->sha256()), to_hex(sha256(bytes)));
  std::filesystem::remove(path);

  EXPECT_EQ(GgufFile::open(path).error().code, ErrorCode::kNotFound);
  EXPECT_THAT(GgufFile::open(testing::TempDir()).error().message, HasSubstr("not a regular file"));
  std::ofstream(path, std::ios::binary).flush();
  EXPECT_THAT(GgufFile::open(path).error().message, HasSubstr("an empty file"));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace longshore::model
