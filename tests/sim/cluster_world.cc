#include "tests/sim/cluster_world.h"

#include <array>
#include <utility>

#include "tests/sim/checkers/convergence_checker.h"
#include "tests/sim/checkers/fencing_checker.h"
#include "tests/sim/checkers/lease_checker.h"
#include "tests/sim/checkers/plan_checker.h"

namespace longshore::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFaults = seconds(60);
// Long enough after the faults for a lease, an exclusion and the plans that follow.
constexpr Duration kEnd = seconds(180);
constexpr Duration kHeartbeat = seconds(1);
constexpr Duration kRegisterRetry = milliseconds(500);

cluster::Agreement agreement() {
  cluster::Agreement agreement;
  agreement.wire_version = 1;
  return agreement;
}

Result<PlacementPlan> plan_over_all(const std::vector<NodeDescriptor>& nodes, PlanGeneration generation) {
  PlacementPlan plan{generation, {}};
  std::vector<NodeId> pattern;
  bool has_compute = false;
  for (const NodeDescriptor& node : nodes)
    if (node.role == NodeRole::kCompute)
      has_compute = true;
    else
      pattern.push_back(node.id);
  if (!has_compute) return make_error(ErrorCode::kFailedPrecondition, "no compute node");
  if (!pattern.empty()) plan.holders.push_back(pattern);
  return plan;
}

}  // namespace

std::vector<std::unique_ptr<ClusterChecker>> all_cluster_checkers() {
  std::vector<std::unique_ptr<ClusterChecker>> all;
  all.push_back(std::make_unique<ConvergenceChecker>());
  all.push_back(std::make_unique<FencingChecker>());
  all.push_back(std::make_unique<LeaseChecker>());
  all.push_back(std::make_unique<PlanChecker>());
  return all;
}

ClusterScenario ClusterScenario::draw(std::uint64_t seed) {
  Random random(seed, 1);
  const auto one_of = [&](const std::array<double, 3>& choices) { return choices[random.below(3)]; };
  ClusterScenario s;
  s.attention_nodes = static_cast<std::uint32_t>(random.below(7));
  s.delay_max = 1 + random.below(200);
  if (random.below(5) == 0) return s;  // without faults
  s.message_loss = one_of({0, 0.05, 0.5});
  s.crash = one_of({0, 0.02, 0.2});
  s.pause = one_of({0, 0.02, 0.2});
  s.scheduler_pause = one_of({0, 0, 0.05});
  s.refusal = one_of({0, 0, 0.1});
  return s;
}

ClusterWorld::ClusterWorld(std::uint64_t seed)
    : scenario_(ClusterScenario::draw(seed)),
      random_(seed, 2),
      control_(agreement(), options_, plan_over_all, cluster::RegistrationEpoch{seed << 20}),
      checkers_(all_cluster_checkers()),
      nodes_(1 + scenario_.attention_nodes) {
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    nodes_[i].name = i == 0 ? "compute" : make_error(ErrorCode::kInternal, "attention-", i).message;
}

std::vector<std::string> ClusterWorld::run() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) live(i);
  on_scheduler({}, [this] { tick_scheduler(); });
  on_scheduler({}, [this] { end_step(); });
  after({}, [this] { strike(); });
  std::vector<std::string> found;
  const auto collect = [&] {
    for (const auto& checker : checkers_)
      found.insert(found.end(), checker->violations().begin(), checker->violations().end());
    return !found.empty();
  };
  while (!events_.empty() && events_.begin()->first.first - TimePoint{} < kEnd) {
    auto event = events_.extract(events_.begin());
    now_ = event.key().first;
    event.mapped()();
    if (collect()) break;
  }
  if (found.empty()) {
    for (const auto& checker : checkers_) checker->at_end(*this);
    collect();
  }
  if (!found.empty()) found.insert(found.begin(), notes_.begin(), notes_.end());
  return found;
}

void ClusterWorld::after(Duration delay, Event event) {
  events_.emplace(std::pair(now_ + delay, ++last_event_), std::move(event));
}

void ClusterWorld::on_node(std::size_t index, Duration delay, Event event) {
  after(delay, [this, index, life = nodes_[index].life, event = std::move(event)]() mutable {
    Node& node = nodes_[index];
    if (!node.is_up || node.life != life) return;
    if (node.stopped_until > now_) return on_node(index, node.stopped_until - now_, std::move(event));
    event();
  });
}

void ClusterWorld::on_scheduler(Duration delay, Event event) {
  after(delay, [this, event = std::move(event)]() mutable {
    if (scheduler_stopped_until_ > now_) return on_scheduler(scheduler_stopped_until_ - now_, std::move(event));
    event();
  });
}

Duration ClusterWorld::latency() { return milliseconds(1 + random_.below(scenario_.delay_max)); }

bool ClusterWorld::is_lost() { return random_.uniform() < scenario_.message_loss; }

void ClusterWorld::live(std::size_t index) {
  register_node(index);
  renew(index);
}

// Until it has a lease. Each try is a new registration for the scheduler, which replaces the one before.
void ClusterWorld::register_node(std::size_t index) {
  if (nodes_[index].lease) return;
  cluster::Registration registration;
  registration.node.role = index == 0 ? NodeRole::kCompute : NodeRole::kAttention;
  registration.node.name = nodes_[index].name;
  registration.node.address = nodes_[index].name;
  registration.node.read_bytes_per_second = 1e9;
  registration.agreement = agreement();
  registration.generation_seen = nodes_[index].generation_seen;
  if (!is_lost())
    on_scheduler(latency(), [this, index, registration, life = nodes_[index].life] {
      cluster::ClusterActions actions;
      const auto lease = control_.on_register(registration, now_, actions);
      if (!lease) return note("refused: ", lease.error().message);
      note(registration.node.name, " is node ", lease->node.value);
      node_of_[lease->node] = index;
      for (const auto& checker : checkers_) checker->on_registered(*this, *lease);
      carry_out(std::move(actions));
      if (nodes_[index].life == life && !is_lost())
        on_node(index, latency(), [this, index, lease = *lease] {
          if (!nodes_[index].lease || nodes_[index].lease->epoch < lease.epoch) nodes_[index].lease = lease;
        });
    });
  on_node(index, kRegisterRetry, [this, index] { register_node(index); });
}

void ClusterWorld::renew(std::size_t index) {
  on_node(index, kHeartbeat, [this, index] { renew(index); });
  if (!nodes_[index].lease || is_lost()) return;
  on_scheduler(latency(), [this, index, lease = *nodes_[index].lease] {
    const auto heard = control_.on_heartbeat(lease.node, lease.epoch, now_);
    for (const auto& checker : checkers_) checker->on_heard(*this, lease.node, lease.epoch, heard.has_value());
    if (heard || is_lost()) return;
    on_node(index, latency(), [this, index, lease] {
      if (!nodes_[index].lease || nodes_[index].lease->epoch != lease.epoch) return;
      note(nodes_[index].name, " is told that it is out");
      nodes_[index].lease.reset();  // and drops all it holds
      register_node(index);
    });
  });
}

void ClusterWorld::restart(std::size_t index) {
  Node& node = nodes_[index];
  note(node.name, " restarts");
  node.is_up = true;
  node.lease.reset();
  live(index);
}

// The answer goes out under the lease that the plan came for; an answer that is lost is sent no second time.
void ClusterWorld::prepare(std::size_t index, cluster::Lease lease, PlanGeneration generation) {
  nodes_[index].generation_seen = std::max(nodes_[index].generation_seen, generation);
  if (is_lost()) return;
  const bool refuses = random_.uniform() < scenario_.refusal;
  on_scheduler(latency(), [this, lease, generation, refuses] {
    cluster::ClusterActions actions;
    if (refuses) {
      note("node ", lease.node.value, " refuses plan ", generation.value);
      control_.on_refused(lease.node, lease.epoch, {generation, {}}, now_, actions);
    } else {
      for (const auto& checker : checkers_) checker->on_prepared(*this, lease.node, lease.epoch, generation);
      control_.on_prepared(lease.node, lease.epoch, generation);
    }
    carry_out(std::move(actions));
  });
}

void ClusterWorld::tick_scheduler() {
  on_scheduler(milliseconds(500), [this] { tick_scheduler(); });
  cluster::ClusterActions actions;
  control_.tick(now_, actions);
  carry_out(std::move(actions));
}

void ClusterWorld::end_step() {
  on_scheduler(milliseconds(1 + random_.below(200)), [this] { end_step(); });
  const cluster::Plan plan = control_.on_step_boundary();
  if (!plan) return;
  note("switch to plan ", plan->generation.value);
  ++switches_;
  for (const auto& checker : checkers_) checker->on_switch(*this, *plan);
}

// Once per second, while faults last.
void ClusterWorld::strike() {
  if (now_ - TimePoint{} >= kFaults) {
    scenario_.message_loss = scenario_.refusal = 0;
    return;
  }
  after(seconds(1), [this] { strike(); });
  for (std::size_t index = 0; index < nodes_.size(); ++index) {
    Node& node = nodes_[index];
    if (!node.is_up) continue;
    if (random_.uniform() < scenario_.crash) {
      note(node.name, " crashes");
      node.is_up = false;
      node.stopped_until = {};
      ++node.life;
      after(milliseconds(100 + random_.below(10'000)), [this, index] { restart(index); });
    } else if (random_.uniform() < scenario_.pause) {
      note(node.name, " stops");
      node.stopped_until = now_ + milliseconds(random_.below(12'000));
    }
  }
  if (random_.uniform() < scenario_.scheduler_pause) {
    note("the scheduler stops");
    scheduler_stopped_until_ = now_ + milliseconds(random_.below(15'000));
  }
}

void ClusterWorld::carry_out(cluster::ClusterActions actions) {
  for (const cluster::Member& member : actions.lost) {
    note("lost node ", member.node.id.value, " (", member.node.name, ")");
    ++losses_;
    for (const auto& checker : checkers_) checker->on_lost(*this, member);
  }
  for (const auto& action : actions.prepare) {
    const auto member = control_.membership().members().find(action.node);
    if (member == control_.membership().members().end() || is_lost()) continue;
    const cluster::Lease lease{action.node, member->second.epoch, {}};
    const std::size_t index = node_of_.at(action.node);
    on_node(index, latency(), [this, index, lease, generation = action.plan->generation] { prepare(index, lease, generation); });
  }
}

}  // namespace longshore::sim
