#include "workers/compute/compute_server.h"

#include <algorithm>
#include <utility>

#include "runtime/base/log.h"
#include "transport/wire/frame.h"
#include "transport/wire/step_messages.h"

namespace longshore::compute {

ComputeServer::ComputeServer(ComputeNode& node, const wire::Hello& hello, transport::Transport& transport,
                             Metrics& metrics, std::function<void()> on_prepared)
    : node_(node),
      hello_(hello),
      transport_(transport),
      link_metrics_(metrics, hello.node),
      metrics_(metrics, hello.node, CountSteps::kYes),
      on_prepared_(std::move(on_prepared)) {}

void ComputeServer::run() {
  // Attention nodes pull between steps, too, and have a transport of their own: it is looked after that often.
  constexpr std::chrono::milliseconds kPullsRun{1}, kIdle{10};
  while (!stopping_) {
    std::optional<Orders> orders;
    {
      std::lock_guard lock(mutex_);
      orders = std::exchange(orders_, std::nullopt);
    }
    if (orders) carry_out(*orders);
    transport_.progress(*this);
    if (batch_) execute(*std::exchange(batch_, std::nullopt));
    node_.poll();
    check_preparation();
    metrics_.observe(node_);
    if (scheduler_) link_metrics_.update(*scheduler_, scheduler_name_, transport_.counters(*scheduler_));
    transport_.wait(node_.open_offers() > 0 ? kPullsRun : kIdle);
  }
  if (scheduler_)
    if (const Result<void> sent = transport_.send(
            *scheduler_, wire::encode(wire::ShutDown{hello_.node + " stops"}, transport_.messages()));
        sent)
      transport_.progress(*this);
  node_.forget_all();
  node_.poll();
}

void ComputeServer::stop() {
  stopping_ = true;
  transport_.wake();
}

void ComputeServer::on_orders(std::shared_ptr<const PlacementPlan> prepare, std::vector<NodeDescriptor> attention) {
  std::lock_guard lock(mutex_);
  if (prepare) preparation_.seen = std::max(preparation_.seen, prepare->generation);
  orders_ = Orders{std::move(prepare), std::move(attention)};
  transport_.wake();
}

ComputeServer::Preparation ComputeServer::preparation() const {
  std::lock_guard lock(mutex_);
  return preparation_;
}

void ComputeServer::carry_out(const Orders& orders) {
  // A restarted scheduler numbers its nodes anew: only id and address together say that it is the same node.
  for (const NodeDescriptor& met : node_.known_nodes())
    if (std::ranges::none_of(orders.attention, [&met](const NodeDescriptor& node) {
          return node.id == met.id && node.address == met.address;
        }))
      node_.lose(met.id);
  if (orders.prepare) prepare(orders.prepare, orders.attention);
}

// Nobody is waited for here: a node that does not answer must not hold up the steps of the plan that stands.
void ComputeServer::prepare(std::shared_ptr<const PlacementPlan> plan, const std::vector<NodeDescriptor>& attention) {
  if (preparing_ && plan->generation <= preparing_->generation) return;
  {
    std::lock_guard lock(mutex_);
    if (plan->generation <= preparation_.prepared || plan->generation == preparation_.refused) return;
    preparation_.refused.reset();
    preparation_.unreachable.clear();
  }
  preparing_ = std::move(plan);
  for (const NodeId id : preparing_->nodes()) {
    if (node_.knows(id)) continue;
    const auto known = std::ranges::find(attention, id, &NodeDescriptor::id);
    if (known == attention.end()) return preparing_.reset();  // it has gone meanwhile, and another plan is on its way
    if (const Result<void> begun = node_.meet(*known); !begun) {
      log::warn("attention node {}: {}", known->name, begun.error().to_string());
      return refuse(id);
    }
  }
}

void ComputeServer::check_preparation() {
  for (const Holders::Met& met : node_.take_met()) {
    if (!met.error) continue;
    log::warn("{}", met.error->message);
    const std::vector<NodeId> wanted = preparing_ ? preparing_->nodes() : std::vector<NodeId>();
    if (std::ranges::find(wanted, met.node) != wanted.end()) refuse(met.node);
  }
  publish_links();
  if (!preparing_) return;
  const std::vector<NodeId> wanted = preparing_->nodes();
  if (!std::ranges::all_of(wanted, [this](NodeId id) { return node_.is_connected(id); })) return;
  {
    std::lock_guard lock(mutex_);
    preparation_.prepared = preparing_->generation;
  }
  plans_[preparing_->generation] = preparing_;
  preparing_.reset();
  on_prepared_();
}

void ComputeServer::publish_links() {
  std::lock_guard lock(mutex_);
  links_.clear();
  for (const auto& [id, link] : node_.links()) links_.push_back(link);
}

std::vector<LinkReport> ComputeServer::links() const {
  std::lock_guard lock(mutex_);
  return links_;
}

void ComputeServer::refuse(NodeId node) {
  log::warn("plan {} is refused", preparing_->generation.value);
  {
    std::lock_guard lock(mutex_);
    preparation_.refused = std::exchange(preparing_, nullptr)->generation;
    preparation_.unreachable = {node};
  }
  on_prepared_();
}

void ComputeServer::execute(StepBatch batch) {
  switch_to(batch.generation);
  const StepOutcome outcome = node_.execute(batch);
  metrics_.on_step(outcome.timing);
  if (!scheduler_) return;
  if (const Result<void> sent = transport_.send(
          *scheduler_, wire::encode(outcome, node_.plan().generation, transport_.messages()));
      !sent)
    log::warn("the outcome of step {} cannot be sent: {}", outcome.id.value, sent.error().to_string());
}

void ComputeServer::switch_to(PlanGeneration generation) {
  const auto plan = plans_.find(generation);
  if (plan == plans_.end()) return;  // the one that is in use
  if (const Result<void> set = node_.set_plan(plan->second); !set)
    log::warn("the placement stays as it was: {}", set.error().message);  // a holder has gone: a next plan follows
  else
    log::info("plan {} with {} attention nodes", generation.value, plan->second->nodes().size());
  plans_.erase(plans_.begin(), std::next(plan));
}

void ComputeServer::on_message(transport::PeerId peer, transport::Message message) {
  const Result<wire::FrameHeader> header = wire::read_header(message.bytes());
  if (header && header->kind == wire::MessageKind::kHello) {
    if (const Result<wire::Hello> theirs = wire::decode_hello(message.bytes())) return on_hello(peer, *theirs);
  } else if (header && header->kind == wire::MessageKind::kStepBatch && scheduler_ == peer) {
    Result<StepBatch> batch = wire::decode_step_batch(message.bytes());
    if (batch) {
      batch_ = std::move(*batch);
      return;
    }
    log::warn("closing a scheduler whose batch cannot be read: {}", batch.error().message);
  } else {
    log::warn("closing a peer that is not the scheduler");
  }
  transport_.close(peer);
  if (scheduler_ == peer) forget_scheduler();
}

void ComputeServer::on_hello(transport::PeerId peer, const wire::Hello& theirs) {
  wire::HelloReply reply;
  reply.hello = hello_;
  reply.hello.ask = theirs.ask;
  if (const Result<void> agreed = wire::check_agreement(hello_, theirs); !agreed) {
    reply.error = agreed.error();
  } else {
    if (scheduler_ && *scheduler_ != peer) transport_.close(*scheduler_);
    forget_scheduler();
    scheduler_ = peer;
    has_scheduler_ = true;
    scheduler_name_ = theirs.node;
    log::info("steps come from {}", theirs.node);
  }
  if (const Result<void> sent = transport_.send(peer, wire::encode(reply, transport_.messages())); !sent)
    log::warn("the scheduler's Hello cannot be answered: {}", sent.error().to_string());
}

void ComputeServer::on_peer_lost(transport::PeerId peer, const Error& error) {
  if (scheduler_ != peer) return;
  log::warn("the scheduler's connection is gone: {}", error.to_string());
  forget_scheduler();
}

void ComputeServer::forget_scheduler() {
  if (scheduler_) {
    link_metrics_.update(*scheduler_, scheduler_name_, transport_.counters(*scheduler_));
    link_metrics_.forget(*scheduler_);
  }
  scheduler_.reset();
  has_scheduler_ = false;
  batch_.reset();
  node_.forget_all();
}

}  // namespace longshore::compute
