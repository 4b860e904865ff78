#include "cli/listen_flags.h"

#include <gtest/gtest.h>

#include <string>

namespace longshore::cli {
namespace {

std::string error_of(const ListenFlags& flags) {
  const Result<ListenAddress> parsed = parse(flags);
  return parsed ? "" : parsed.error().message;
}

TEST(ListenFlags, LoopbackByDefault) {
  const Result<ListenAddress> address = parse(ListenFlags{});
  ASSERT_TRUE(address) << address.error().message;
  EXPECT_EQ(address->host, "127.0.0.1");
  EXPECT_EQ(address->device, "lo");
  EXPECT_EQ(address->advertise(8080), "127.0.0.1:8080");
}

TEST(ListenFlags, TheWholeLoopbackNetIsOneDevice) {
  const Result<ListenAddress> address = parse(ListenFlags{"127.1.2.3", "127.0.0.9"});
  ASSERT_TRUE(address) << address.error().message;
  EXPECT_EQ(address->device, "lo");
  EXPECT_EQ(address->advertise(1), "127.0.0.9:1");
}

TEST(ListenFlags, AnyAddressAdvertisesThisMachineByName) {
  const Result<ListenAddress> address = parse(ListenFlags{"0.0.0.0", ""});
  ASSERT_TRUE(address) << address.error().message;
  EXPECT_EQ(address->device, "");
  EXPECT_NE(address->advertised, "");
  EXPECT_NE(address->advertised, "0.0.0.0");
}

TEST(ListenFlags, AnyAddressWithOneThatIsAdvertisedUsesItsDevice) {
  const Result<ListenAddress> address = parse(ListenFlags{"0.0.0.0", "127.0.0.1"});
  ASSERT_TRUE(address) << address.error().message;
  EXPECT_EQ(address->host, "0.0.0.0");
  EXPECT_EQ(address->device, "lo");
}

TEST(ListenFlags, AnIp6HostStandsInBrackets) {
  ListenAddress address;
  address.advertised = "fd00::1";
  EXPECT_EQ(address.advertise(8080), "[fd00::1]:8080");
}

TEST(ListenFlags, RefusesWhatIsNoAddressOfThisMachine) {
  EXPECT_EQ(error_of({"localhost", ""}).find("--listen is 'localhost'"), 0u);
  EXPECT_EQ(error_of({"127.0.0.1", "999.0.0.1"}).find("--advertise is '999.0.0.1'"), 0u);
  // TEST-NET-1 of RFC 5737: nobody has it.
  const std::string error = error_of({"192.0.2.1", ""});
  EXPECT_EQ(error.find("--listen is 192.0.2.1, which no network device of this machine has"), 0u) << error;
  EXPECT_NE(error.find("127.0.0.1"), std::string::npos) << error;  // what it has
}

}  // namespace
}  // namespace longshore::cli
