#include "scheduler/cluster/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/scheduler/cluster/registrations.h"

namespace longshore::cluster {
namespace {

using testing::HasSubstr;

class MembershipTest : public testing::Test {
 protected:
  Lease join(const std::string& name, int now = 0) {
    auto joined = membership_.on_register(registration_of(name), at(now));
    EXPECT_TRUE(joined.has_value());
    return joined->lease;
  }
  Error refusal(const Registration& registration) {
    auto joined = membership_.on_register(registration, at(0));
    EXPECT_TRUE(joined.has_error());
    return joined.has_error() ? joined.error() : Error{};
  }
  Membership membership_{agreement(), {}, RegistrationEpoch{1000}};
};

TEST_F(MembershipTest, GivesEachRegistrationItsOwnIdAndEpoch) {
  const Lease a = join("a"), b = join("b");
  EXPECT_NE(a.node, b.node);
  EXPECT_LT(a.epoch, b.epoch);
  EXPECT_GT(a.epoch, RegistrationEpoch{1000});
  EXPECT_EQ(a.length, std::chrono::seconds(5));
  EXPECT_EQ(membership_.members().at(b.node).node.name, "b");
}

TEST_F(MembershipTest, RefusesWhatDiffersByName) {
  Registration other = registration_of("a");
  other.agreement.model.fill(8);
  EXPECT_EQ(refusal(other).code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(refusal(other).message, HasSubstr("model file with SHA-256 0808"));
  other = registration_of("a");
  other.agreement.numerics_version = 4;
  EXPECT_THAT(refusal(other).message, HasSubstr("numerics version 4; the cluster with 3"));
  other = registration_of("a");
  other.agreement.wire_version = 1;
  EXPECT_THAT(refusal(other).message, HasSubstr("wire version 1; the cluster speaks 2"));
}

TEST_F(MembershipTest, RefusesNumbersThatNoPlanCouldUse) {
  Registration other = registration_of("");
  EXPECT_EQ(refusal(other).code, ErrorCode::kInvalidArgument);
  other = registration_of("a");
  other.node.read_bytes_per_second = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(refusal(other).message, HasSubstr("read_bytes_per_second"));
  other = registration_of("a");
  other.node.read_bytes_per_second = 0;
  EXPECT_THAT(refusal(other).message, HasSubstr("not measured"));
  other = registration_of("a");
  other.node.link_latency_seconds = -1;
  EXPECT_THAT(refusal(other).message, HasSubstr("link_latency_seconds"));
  other = registration_of("a");
  other.generation_seen = PlanGeneration{~std::uint64_t{0}};
  EXPECT_THAT(refusal(other).message, HasSubstr("plan generation"));
}

TEST_F(MembershipTest, KeepsANodeThatIsHeard) {
  const Lease a = join("a");
  for (int now = 0; now < 30'000; now += 500) {
    ASSERT_TRUE(membership_.on_heartbeat(a.node, a.epoch, at(now)).has_value());
    ASSERT_TRUE(membership_.tick(at(now)).empty());
  }
}

TEST_F(MembershipTest, FencesANodeWhoseLeaseIsOver) {
  const Lease a = join("a");
  std::vector<Member> lost;
  for (int now = 0; now <= 5000; now += 500)
    for (Member& member : membership_.tick(at(now))) lost.push_back(std::move(member));
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].node.id, a.node);
  EXPECT_EQ(membership_.on_heartbeat(a.node, a.epoch, at(5100)).error().code, ErrorCode::kAborted);
  EXPECT_FALSE(membership_.is_member(a.node, a.epoch));
  EXPECT_NE(join("a", 5200).node, a.node);
}

TEST_F(MembershipTest, ReplacesAnEarlierLifeAtTheSameAddress) {
  const Lease first = join("a");
  const auto again = membership_.on_register(registration_of("a"), at(100));
  ASSERT_EQ(again->replaced.size(), 1u);
  EXPECT_EQ(again->replaced[0].epoch, first.epoch);
  EXPECT_EQ(membership_.on_heartbeat(first.node, first.epoch, at(200)).error().code, ErrorCode::kAborted);
  EXPECT_TRUE(membership_.on_heartbeat(again->lease.node, again->lease.epoch, at(200)).has_value());
}

TEST_F(MembershipTest, RefusesTheHeartbeatOfAnotherSchedulersTime) {
  const Lease a = join("a");
  EXPECT_EQ(membership_.on_heartbeat(a.node, RegistrationEpoch{3}, at(0)).error().code, ErrorCode::kAborted);
}

TEST_F(MembershipTest, LetsGoWhoLeaves) {
  const Lease a = join("a");
  EXPECT_FALSE(membership_.on_leave(a.node, RegistrationEpoch{3}));
  EXPECT_TRUE(membership_.on_leave(a.node, a.epoch));
  EXPECT_FALSE(membership_.on_leave(a.node, a.epoch));
  EXPECT_TRUE(membership_.members().empty());
}

}  // namespace
}  // namespace longshore::cluster
