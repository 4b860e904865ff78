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
      on_prepared_(std::move(on_prepared)),
      link_metrics_(metrics, hello.node) {}

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
  orders_ = Orders{std::move(prepare), std::move(attention)};
  transport_.wake();
}

void ComputeServer::carry_out(const Orders& orders) {
  const auto is_in = [&](NodeId id) {
    return std::ranges::any_of(orders.attention, [id](const NodeDescriptor& node) { return node.id == id; });
  };
  for (const NodeId id : met_)
    if (!is_in(id)) node_.lose(id);
  std::erase_if(met_, [&](NodeId id) { return !is_in(id); });
  publish_links();
  if (!orders.prepare || orders.prepare->generation.value <= prepared_) return;
  const bool connected = connect_holders(*orders.prepare, orders.attention);
  publish_links();
  if (!connected) return;  // the next heartbeat's answer asks again
  prepared_ = orders.prepare->generation.value;
  plans_[orders.prepare->generation] = orders.prepare;
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

bool ComputeServer::connect_holders(const PlacementPlan& plan, const std::vector<NodeDescriptor>& attention) {
  for (const NodeId id : plan.nodes()) {
    if (node_.is_connected(id)) continue;
    const auto known = std::ranges::find(attention, id, &NodeDescriptor::id);
    if (known == attention.end()) return false;  // it has gone meanwhile, and another plan is on its way
    if (const Result<void> met = node_.connect(*known); !met) {
      log::warn("plan {} is not prepared: {}", plan.generation.value, met.error().to_string());
      return false;
    }
    met_.push_back(id);
  }
  return true;
}

void ComputeServer::execute(StepBatch batch) {
  switch_to(batch.generation);
  const StepOutcome outcome = node_.execute(batch);
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
