#include "scheduler/service/remote_compute_link.h"

#include <algorithm>
#include <utility>

#include "runtime/base/log.h"
#include "transport/wire/frame.h"
#include "transport/wire/step_messages.h"

namespace longshore::service {

RemoteComputeLink::RemoteComputeLink(wire::Hello hello, MakeTransport make_transport,
                                     std::chrono::milliseconds hello_max, Metrics& metrics, const Clock& clock)
    : hello_(std::move(hello)),
      make_transport_(std::move(make_transport)),
      hello_max_(hello_max),
      metrics_(metrics),
      clock_(clock) {}

void RemoteComputeLink::set_node(const std::string& address, std::uint64_t leaves) {
  std::lock_guard lock(mutex_);
  if (node_.address != address) {
    node_.address = address;
    ++node_.life;
  }
  leaves_ = leaves;
  if (transport_) transport_->wake();
}

void RemoteComputeLink::clear_node() {
  std::lock_guard lock(mutex_);
  leaves_ = 0;
  node_.address.clear();
  ++node_.life;
  if (transport_) transport_->wake();
}

RemoteComputeLink::Node RemoteComputeLink::node() const {
  std::lock_guard lock(mutex_);
  return node_;
}

Result<void> RemoteComputeLink::submit(StepBatch batch) {
  const Node node = this->node();
  if (node.address.empty())
    return disconnect(make_error(ErrorCode::kUnavailable, "no compute node is registered in this place"));
  // A batch that nobody waited for to the end leaves a node whose state is not known.
  if (in_flight_ || (peer_ && life_ != node.life)) disconnect({});
  if (!peer_)
    if (const Result<void> connected = connect(node); !connected) return disconnect(connected.error());
  const StepId id = batch.id;
  if (const Result<void> sent = transport_->send(*peer_, wire::encode(batch, transport_->messages())); !sent)
    return disconnect(sent.error());
  in_flight_ = id;
  return {};
}

Result<StepOutcome> RemoteComputeLink::wait(std::chrono::milliseconds timeout) {
  if (!in_flight_) return make_error(ErrorCode::kInternal, "no step was submitted");
  const TimePoint deadline = clock_.now() + timeout;
  for (;;) {
    transport_->progress(*this);
    if (outcome_) {
      in_flight_.reset();
      link_metrics_->update(transport_->counters(*peer_));
      return *std::exchange(outcome_, std::nullopt);
    }
    if (lost_) return disconnect(*lost_);
    if (node().life != life_)
      return disconnect(make_error(ErrorCode::kUnavailable, "the compute node's lease is over"));
    const TimePoint now = clock_.now();
    if (now >= deadline)
      return make_error(ErrorCode::kDeadlineExceeded, "step ", in_flight_->value, " still runs");
    transport_->wait(deadline - now);
  }
}

Result<void> RemoteComputeLink::connect(const Node& node) {
  if (!transport_) {
    Result<std::unique_ptr<transport::Transport>> made = make_transport_();
    if (!made) return made.error();
    std::lock_guard lock(mutex_);
    transport_ = std::move(*made);
  }
  const Result<transport::PeerId> peer = transport_->connect(node.address);
  if (!peer) return peer.error();
  peer_ = *peer;
  life_ = node.life;
  ++hello_.ask;
  if (Result<void> sent = transport_->send(*peer_, wire::encode(hello_, transport_->messages())); !sent) return sent;
  return await_hello(clock_.now() + hello_max_);
}

Result<void> RemoteComputeLink::await_hello(TimePoint deadline) {
  for (;;) {
    transport_->progress(*this);
    if (greeted_) break;
    if (lost_) return *lost_;
    const TimePoint now = clock_.now();
    if (now >= deadline || node().life != life_)
      return make_error(ErrorCode::kUnavailable, "the compute node did not answer a Hello within ", hello_max_.count(),
                        " ms");
    transport_->wait(std::min<Duration>(deadline - now, std::chrono::milliseconds(100)));
  }
  const wire::HelloReply reply = *std::exchange(greeted_, std::nullopt);
  if (reply.error) return *reply.error;
  link_metrics_.emplace(metrics_, reply.hello.node);
  log::info("steps go to {}", reply.hello.node);
  return {};
}

// Whatever the cause, to the step loop the node is unavailable.
Error RemoteComputeLink::disconnect(Error error) {
  if (link_metrics_) link_metrics_->update(transport_->counters(*peer_));
  link_metrics_.reset();
  if (peer_) transport_->close(*peer_);
  peer_.reset();
  lost_.reset();
  greeted_.reset();
  in_flight_.reset();
  outcome_.reset();
  error.code = ErrorCode::kUnavailable;
  return error;
}

void RemoteComputeLink::on_message(transport::PeerId peer, transport::Message message) {
  if (!peer_ || peer != *peer_) return;  // late, of a connection that is over
  const Result<wire::FrameHeader> header = wire::read_header(message.bytes());
  if (!header) {
    lost_ = header.error();
  } else if (header->kind == wire::MessageKind::kHelloReply) {
    Result<wire::HelloReply> reply = wire::decode_hello_reply(message.bytes());
    if (!reply) lost_ = reply.error();
    else if (reply->hello.ask == hello_.ask) greeted_ = std::move(*reply);
  } else if (header->kind == wire::MessageKind::kStepOutcome) {
    Result<StepOutcome> outcome = wire::decode_step_outcome(message.bytes());
    if (!outcome) lost_ = outcome.error();
    else if (in_flight_ && outcome->id == *in_flight_) outcome_ = std::move(*outcome);
  } else if (header->kind == wire::MessageKind::kShutDown) {
    lost_ = make_error(ErrorCode::kUnavailable, "the compute node stops");
  }
}

void RemoteComputeLink::on_peer_lost(transport::PeerId peer, const Error& error) {
  if (peer_ && peer == *peer_) lost_ = error;
}

}  // namespace longshore::service
