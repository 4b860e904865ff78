#include "scheduler/service/control_service.h"

#include <algorithm>
#include <utility>

#include "runtime/base/log.h"

namespace longshore::service {

using cluster::ClusterActions;

ControlService::ControlService(Options options, StepLoop& loop, std::vector<RemoteComputeLink*> slots,
                               const Clock& clock)
    : options_(std::move(options)),
      loop_(loop),
      slots_(std::move(slots)),
      clock_(clock),
      control_(
          options_.model.agreement, options_.cluster,
          [this](const std::vector<NodeDescriptor>& members, PlanGeneration generation) {
            return make_plan(members, generation);
          },
          options_.first_epoch),
      owners_(slots_.size()),
      ticker_([this] { run(); }) {}

ControlService::~ControlService() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  ticker_.join();
}

void ControlService::run() {
  constexpr std::chrono::milliseconds kTick{100};
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    ClusterActions actions;
    control_.tick(clock_.now(), actions);
    carry_out(actions);
    switch_plan();
    wake_.wait_for(lock, std::min<Duration>(kTick, options_.model.lease / 10), [this] { return stopping_; });
  }
}

Result<cluster::Lease> ControlService::join(const cluster::Registration& registration) {
  std::lock_guard lock(mutex_);
  ClusterActions actions;
  Result<cluster::Lease> lease = control_.on_register(registration, clock_.now(), actions);
  carry_out(actions);
  if (lease) log::info("{} joined as node {}", registration.node.name, lease->node.value);
  else log::warn("refused: {}", lease.error().message);
  return lease;
}

Result<Orders> ControlService::heartbeat(const Heartbeat& heartbeat) {
  std::lock_guard lock(mutex_);
  const TimePoint now = clock_.now();
  if (Result<void> alive = control_.on_heartbeat(heartbeat.node, heartbeat.epoch, now); !alive) return alive.error();
  if (heartbeat.refused) {
    log::warn("node {} refuses plan {}: it cannot reach {} of its nodes", heartbeat.node.value,
              heartbeat.refused->generation.value, heartbeat.refused->unreachable.size());
    ClusterActions actions;
    control_.on_refused(heartbeat.node, heartbeat.epoch, *heartbeat.refused, now, actions);
    carry_out(actions);
  }
  prepared_[heartbeat.node] = heartbeat.prepared;
  control_.on_prepared(heartbeat.node, heartbeat.epoch, heartbeat.prepared);
  take_links(heartbeat.node, heartbeat.links);
  switch_plan();
  review_plan();
  Orders orders;
  const cluster::Plan& next = control_.rollout().next();
  if (next && next->generation != heartbeat.prepared) orders.prepare = next;
  for (const auto& [id, member] : control_.membership().members())
    if (member.node.role == NodeRole::kAttention) orders.attention.push_back(member.node);
  return orders;
}

void ControlService::leave(NodeId node, cluster::RegistrationEpoch epoch) {
  std::lock_guard lock(mutex_);
  ClusterActions actions;
  control_.on_leave(node, epoch, clock_.now(), actions);
  carry_out(actions);
}

ControlService::View ControlService::view() const {
  std::lock_guard lock(mutex_);
  View view;
  for (const auto& [id, member] : control_.membership().members()) view.members.push_back(member.node);
  for (const std::optional<NodeId>& owner : owners_)
    if (owner) view.replicas.push_back(*owner);
  const cluster::Plan& plan = control_.rollout().current();
  if (!plan) return view;
  view.generation = plan->generation;
  view.plan = current_.chosen.name;
  view.why = current_.why;
  view.holders = plan->nodes();
  return view;
}

// The planner places for one compute node; replicas are alike and use the same placement.
Result<PlacementPlan> ControlService::make_plan(const std::vector<NodeDescriptor>& members,
                                                PlanGeneration generation) {
  placement::PlannerInput input;
  input.model = options_.shape;
  input.workload.context_tokens = options_.model.context_tokens;
  input.mode = options_.shard;
  input.generation = generation;
  bool has_compute = false;
  for (const NodeDescriptor& member : members) {
    if (member.role == NodeRole::kCompute && std::exchange(has_compute, true)) continue;
    input.nodes.push_back(member);
  }
  if (!has_compute) return make_error(ErrorCode::kUnavailable, "no compute node is registered");
  apply_links(input.nodes);
  Result<placement::PlanReport> report = placement::make_plan(input);
  if (!report) {
    log::warn("no plan for {} nodes: {}", input.nodes.size(), report.error().message);
    return report.error();
  }
  proposed_ = std::move(*report);
  proposed_input_ = std::move(input);
  return proposed_.chosen.plan;
}

Result<placement::Explanation> ControlService::explain() const {
  std::lock_guard lock(mutex_);
  if (!control_.rollout().current())
    return make_error(ErrorCode::kUnavailable, "no plan is in force yet: it needs a compute node that is registered and ready");
  return placement::Explanation{options_.model.name, options_.model.kv_type, current_input_.workload, current_input_.nodes,
                                current_};
}

void ControlService::take_links(NodeId compute, const std::vector<LinkReport>& links) {
  for (const LinkReport& link : links) {
    LinkReport& known = links_[{compute, link.node}];
    if (known == link) continue;
    known = link;
    links_are_new_ = true;
  }
}

// A plan serves all compute nodes: each attention node counts with the slowest of its links.
void ControlService::apply_links(std::vector<NodeDescriptor>& nodes) const {
  for (NodeDescriptor& node : nodes)
    for (const auto& [ends, link] : links_) {
      if (ends.second != node.id) continue;
      node.link_latency_seconds = std::max(node.link_latency_seconds, link.round_trip_seconds);
      if (node.link_bytes_per_second == 0 || link.bytes_per_second < node.link_bytes_per_second)
        node.link_bytes_per_second = link.bytes_per_second;
    }
}

// Links are measured as a plan is prepared, after it was made. If it would be made otherwise now, there is another one; else
// only its prediction is.
void ControlService::review_plan() {
  if (!links_are_new_ || !control_.rollout().current() || control_.rollout().next()) return;
  links_are_new_ = false;
  placement::PlannerInput input = current_input_;
  apply_links(input.nodes);
  Result<placement::PlanReport> report = placement::make_plan(input);
  if (!report) return;  // as with the plan itself, whose input was the same but for the links
  if (report->chosen.plan.holders != current_.chosen.plan.holders) {
    log::info("the links are not as the plan took them to be: planning anew");
    return control_.plan_again(clock_.now());
  }
  current_input_ = std::move(input);
  current_ = std::move(*report);
}

void ControlService::carry_out(const ClusterActions& actions) {
  for (const cluster::Member& member : actions.lost) {
    log::warn("{} (node {}) is out", member.node.name, member.node.id.value);
    prepared_.erase(member.node.id);
    std::erase_if(links_, [&](const auto& link) {
      return link.first.first == member.node.id || link.first.second == member.node.id;
    });
    for (std::size_t slot = 0; slot < slots_.size(); ++slot)
      if (owners_[slot] == member.node.id) {
        slots_[slot]->clear_node();
        owners_[slot].reset();
      }
  }
  // Plans to prepare travel with the answers to heartbeats.
}

void ControlService::switch_plan() {
  const cluster::Plan plan = control_.on_step_boundary();
  if (!plan) return;
  current_ = proposed_;
  current_input_ = proposed_input_;
  log::info("plan {}: {} on {} attention nodes ({})", plan->generation.value, current_.chosen.name,
            plan->nodes().size(), current_.why);
  loop_.set_generation(plan->generation);
  std::vector<NodeDescriptor> replicas;
  for (const auto& [id, member] : control_.membership().members()) {
    const auto prepared = prepared_.find(id);
    if (member.node.role == NodeRole::kCompute && prepared != prepared_.end() && prepared->second == plan->generation)
      replicas.push_back(member.node);
  }
  // All of them use the same attention nodes, each its share of the room.
  const std::uint64_t leaves = current_.chosen.plan.has_holders() ? current_.chosen.cost.kv_leaves : 0;
  for (const NodeDescriptor& replica : replicas) give_slot(replica, leaves / replicas.size());
}

void ControlService::give_slot(const NodeDescriptor& node, std::uint64_t leaves_elsewhere) {
  auto slot = std::ranges::find(owners_, std::optional(node.id));
  if (slot == owners_.end()) slot = std::ranges::find(owners_, std::optional<NodeId>());
  if (slot == owners_.end()) {
    log::warn("{} gets no steps: all {} places for compute nodes are taken", node.name, slots_.size());
    return;
  }
  *slot = node.id;
  const auto index = static_cast<std::size_t>(slot - owners_.begin());
  slots_[index]->set_node(node.address, node.memory_bytes / options_.model.leaf_bytes + leaves_elsewhere);
  loop_.on_node(index);
}

}  // namespace longshore::service
