#include <gtest/gtest.h>

#include <string>

#include "cli/cluster_flags.h"
#include "cli/numa_binding.h"

namespace longshore::cli {
namespace {

TEST(ParseBytes, TakesUnits) {
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"0", 0},         {"1073741824", 1073741824}, {"7B", 7}, {"3KB", 3000}, {"500MB", 500000000}, {"2KiB", 2048},
      {"8GiB", std::uint64_t{8} << 30}, {"16777215TiB", std::uint64_t{16777215} << 40}};
  for (const auto& [text, bytes] : cases) {
    const Result<std::uint64_t> parsed = parse_bytes("--memory", text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(ParseBytes, RefusesTheRestByName) {
  for (const char* text : {"", "GiB", "8 GiB", "8gib", "-1", "1.5GiB", "16777216TiB", "99999999999999999999", "8GiBx"}) {
    const Result<std::uint64_t> parsed = parse_bytes("--memory", text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(parsed.error().message.find(std::string("--memory is '") + text + "'"), 0u) << parsed.error().message;
  }
}

TEST(ParseBandwidth, HasTheBoundsOfMemory) {
  EXPECT_EQ(*parse_bandwidth("--read-bandwidth", "20GB"), 20e9);
  for (const char* text : {"999999", "1000000000000001", "20"})
    EXPECT_FALSE(parse_bandwidth("--read-bandwidth", text)) << text;
}

TEST(ParseNumberList, TakesWhatTheKernelWrites) {
  using Numbers = std::vector<std::uint32_t>;
  EXPECT_EQ(*parse_number_list("0"), (Numbers{0}));
  EXPECT_EQ(*parse_number_list("0-3,8"), (Numbers{0, 1, 2, 3, 8}));
  EXPECT_EQ(*parse_number_list("5,1-1"), (Numbers{5, 1}));
  EXPECT_EQ(*parse_number_list(""), (Numbers{}));  // a node without CPUs
}

TEST(ParseNumberList, RefusesTheRest) {
  for (const char* text : {"a", "1-", "-1", "3-1", "1,", ",1", "1 2", "1-2-3", "99999999999", "0-4294967295"})
    EXPECT_FALSE(parse_number_list(text)) << text;
}

}  // namespace
}  // namespace longshore::cli
