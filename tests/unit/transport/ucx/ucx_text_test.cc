// What of the UCX transport is pure: addresses as text, endpoint descriptions, status codes. (The rest needs
// two nodes: tests/integration/ucx.)

#include "transport/ucx/ucx_address.h"
#include "transport/ucx/ucx_path.h"
#include "transport/ucx/ucx_status.h"

#include <gtest/gtest.h>

#include <vector>

namespace longshore::transport {
namespace {

TEST(UcxAddressTest, ComesBackFromText) {
  const std::vector<std::byte> address{std::byte{0}, std::byte{0xff}, std::byte{0x12}};
  const std::string text = to_text(address);
  EXPECT_TRUE(text.starts_with("ucx1:"));
  EXPECT_EQ(*from_text(text), address);
}

TEST(UcxAddressTest, RefusesEveryChangeOfADigit) {
  const std::string text = to_text(std::vector<std::byte>(40, std::byte{0x21}));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == '3' ? '4' : '3';
    EXPECT_FALSE(from_text(changed)) << i;
    EXPECT_FALSE(from_text(text.substr(0, i))) << i;
  }
  EXPECT_FALSE(from_text("ucx1:" + std::string(100000, '0')));
}

TEST(UcxPathTest, ReadsTheLanesOfUcx113) {
  const PathReport local = parse_endpoint_info(
      "# UCP endpoint\n#\n#               peer: vm:123\n#                 lane[0]:  2:posix/memory.0 md[2]   "
      "        -> "
      "md[2]/posix/sysdev[255] am am_bw#0\n#                 lane[1]:  0:tcp/eth0.0 md[0] -> md[0]/tcp ka\n");
  EXPECT_EQ(local.transports, "posix,tcp/eth0");
  EXPECT_TRUE(local.shared_memory);
  const PathReport remote =
      parse_endpoint_info("# lane[0]:  0:tcp/lo.0 md[0] -> md[0]/tcp am\n# lane[1]: 0:tcp/lo.0 md[0]\n");
  EXPECT_EQ(remote.transports, "tcp/lo");
  EXPECT_FALSE(remote.shared_memory);
  EXPECT_EQ(parse_endpoint_info("nothing of the kind").transports, "");
}

TEST(UcxStatusTest, SaysWhatToDo) {
  EXPECT_EQ(to_error(UCS_ERR_CONNECTION_RESET, "x").code, ErrorCode::kUnavailable);
  EXPECT_EQ(to_error(UCS_ERR_NO_MEMORY, "x").code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(to_error(UCS_ERR_INVALID_ADDR, "x").code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(to_error(UCS_ERR_NO_DEVICE, "x").code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(to_error(UCS_ERR_CANCELED, "x").code, ErrorCode::kCancelled);
  EXPECT_EQ(to_error(UCS_ERR_BUSY, "x").code, ErrorCode::kInternal);
  EXPECT_EQ(to_error(UCS_ERR_UNREACHABLE, "connecting").message,
            "connecting: Destination is unreachable (UCX -6)");
}

}  // namespace
}  // namespace longshore::transport
