#include "scheduler/cluster/membership.h"

#include <cmath>
#include <utility>

namespace longshore::cluster {
namespace {

// No cluster makes that many plans; larger ones would wrap around.
constexpr PlanGeneration kGenerationMax{std::uint64_t{1} << 62};

Result<void> check(const Agreement& ours, const Agreement& theirs, const std::string& name) {
  if (theirs.wire_version != ours.wire_version)
    return make_error(ErrorCode::kFailedPrecondition, "node ", name, " speaks wire version ", theirs.wire_version,
                      "; the cluster speaks ", ours.wire_version, ": install the same release everywhere");
  if (theirs.numerics_version != ours.numerics_version)
    return make_error(ErrorCode::kFailedPrecondition, "node ", name, " computes with numerics version ",
                      theirs.numerics_version, "; the cluster with ", ours.numerics_version,
                      ": install the same release everywhere");
  if (theirs.model != ours.model)
    return make_error(ErrorCode::kFailedPrecondition, "node ", name, " has the model file with SHA-256 ",
                      to_hex(theirs.model), "; the cluster serves ", to_hex(ours.model), ": give it that file");
  return {};
}

// A peer's numbers go into plans: none of them may be able to spoil one.
Result<void> check(const Registration& registration) {
  const NodeDescriptor& node = registration.node;
  if (node.name.empty() || node.address.empty())
    return make_error(ErrorCode::kInvalidArgument, "a registration has the name \"", node.name, "\" and the address \"",
                      node.address, "\"; both are needed");
  for (const auto& [field, value] : {std::pair("read_bytes_per_second", node.read_bytes_per_second),
                                     std::pair("link_latency_seconds", node.link_latency_seconds),
                                     std::pair("link_bytes_per_second", node.link_bytes_per_second),
                                     std::pair("price_per_hour", node.price_per_hour)})
    if (!(value >= 0) || !std::isfinite(value))
      return make_error(ErrorCode::kInvalidArgument, "node ", node.name, " has ", field, " of ", value,
                        "; it must be finite and not negative");
  if (node.read_bytes_per_second == 0)
    return make_error(ErrorCode::kInvalidArgument, "node ", node.name, " has not measured its read bandwidth");
  if (registration.generation_seen > kGenerationMax)
    return make_error(ErrorCode::kInvalidArgument, "node ", node.name, " has seen plan generation ",
                      registration.generation_seen.value, "; at most ", kGenerationMax.value, " are possible");
  return {};
}

}  // namespace

Result<Membership::Joined> Membership::on_register(const Registration& registration, TimePoint now) {
  const NodeDescriptor& node = registration.node;
  if (auto possible = check(registration); !possible) return possible.error();
  if (auto same = check(agreement_, registration.agreement, node.name); !same) return same.error();

  Joined joined;
  for (auto it = members_.begin(); it != members_.end();) {
    if (it->second.node.address != node.address) {
      ++it;
      continue;
    }
    detector_.remove(it->first);
    joined.replaced.push_back(std::move(it->second));
    it = members_.erase(it);
  }
  last_node_.value += 1;
  last_epoch_.value += 1;
  Member member{node, last_epoch_};
  member.node.id = last_node_;
  members_.emplace(last_node_, std::move(member));
  detector_.add(last_node_, now);
  joined.lease = {last_node_, last_epoch_, options_.lease};
  return joined;
}

Result<void> Membership::on_heartbeat(NodeId node, RegistrationEpoch epoch, TimePoint now) {
  if (!is_member(node, epoch))
    return make_error(ErrorCode::kAborted, "node ", node.value, " registration ", epoch.value,
                      " is over: drop what you hold and register again");
  detector_.on_heartbeat(node, now);
  return {};
}

bool Membership::on_leave(NodeId node, RegistrationEpoch epoch) {
  if (!is_member(node, epoch)) return false;
  detector_.remove(node);
  members_.erase(node);
  return true;
}

std::vector<Member> Membership::tick(TimePoint now) {
  std::vector<Member> lost;
  for (const FailureDetector::Change& change : detector_.tick(now)) {
    if (change.health != Health::kDead) continue;
    const auto found = members_.find(change.node);
    lost.push_back(std::move(found->second));
    members_.erase(found);
  }
  return lost;
}

bool Membership::is_member(NodeId node, RegistrationEpoch epoch) const {
  const auto found = members_.find(node);
  return found != members_.end() && found->second.epoch == epoch;
}

}  // namespace longshore::cluster
