#include "workers/compute/holders.h"

#include <algorithm>
#include <utility>

#include "runtime/base/log.h"

namespace longshore::compute {

Holders::Holders(transport::Transport& transport, const wire::Hello& hello, Metrics& metrics, const Clock& clock)
    : transport_(transport), hello_(hello), clock_(clock), metrics_(metrics, hello.node) {}

Result<void> Holders::meet(const NodeDescriptor& node, std::chrono::milliseconds deadline) {
  const Result<transport::PeerId> peer = transport_.connect(node.address);
  if (!peer) return peer.error();
  peers_[node.id] = *peer;
  nodes_[*peer] = node.id;
  known_[node.id] = node;
  wire::Hello hello = hello_;
  hello.ask = next_ask();
  meetings_[node.id] = {hello.ask, clock_.now() + deadline};
  send(node.id, wire::encode(hello, transport_.messages()));
  return {};
}

Result<void> Holders::connect(const NodeDescriptor& node, std::chrono::milliseconds deadline) {
  if (Result<void> begun = meet(node, deadline); !begun) return begun;
  const auto is_it = [&node](const Met& met) { return met.node == node.id; };
  for (;;) {
    poll();
    if (const auto met = std::find_if(met_.begin(), met_.end(), is_it); met != met_.end()) {
      const std::optional<Error> error = std::move(met->error);
      met_.erase(met);
      if (error) return *error;
      return {};
    }
    wait(std::min<Duration>(deadline, std::chrono::milliseconds(100)));
  }
}

void Holders::wait(Duration limit) {
  if (turn_) turn_();
  else transport_.wait(limit);
}

void Holders::poll() {
  if (turn_) turn_();
  progress();
  const TimePoint now = clock_.now();
  std::vector<NodeId> late;
  for (const auto& [node, meeting] : meetings_)
    if (now >= meeting.deadline) late.push_back(node);
  for (const NodeId node : late)
    end_meeting(node, make_error(ErrorCode::kDeadlineExceeded, "attention node ", known_.at(node).name,
                                 " did not answer a Hello in time"));
}

void Holders::end_meeting(NodeId node, std::optional<Error> error) {
  const auto meeting = meetings_.find(node);
  if (meeting == meetings_.end()) return;
  meetings_.erase(meeting);
  if (error) disconnect(node);
  met_.push_back({node, std::move(error)});
}

Result<transport::PathReport> Holders::path(NodeId node) const {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return make_error(ErrorCode::kUnavailable, "attention node ", node.value, " is not connected");
  return transport_.path(found->second);
}

void Holders::export_counters() {
  for (const auto& [node, peer] : peers_) metrics_.update(peer, known_.at(node).name, transport_.counters(peer));
}

void Holders::disconnect(NodeId node) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  const transport::PeerId peer = found->second;
  nodes_.erase(peer);
  metrics_.update(peer, known_.at(node).name, transport_.counters(peer));
  metrics_.forget(peer);
  peers_.erase(found);
  known_.erase(node);
  meetings_.erase(node);
  transport_.close(peer);
  for (auto& [ask, question] : questions_)
    if (question.node == node) question.over = true;
}

// One that is only being met never was a holder: its meeting has failed.
void Holders::lose(NodeId node) {
  if (meetings_.contains(node))
    return end_meeting(node, make_error(ErrorCode::kUnavailable, "attention node ", known_.at(node).name,
                                        " broke off before it had answered a Hello"));
  if (!is_connected(node)) return;
  disconnect(node);
  lost_.push_back(node);
}

std::vector<NodeDescriptor> Holders::known() const {
  std::vector<NodeDescriptor> nodes;
  for (const auto& [id, node] : known_) nodes.push_back(node);
  return nodes;
}

void Holders::send_query(NodeId node, std::uint64_t ask, transport::Message query) {
  questions_[ask] = Question{node, std::nullopt, !is_connected(node)};
  send(node, std::move(query));
}

void Holders::send(NodeId node, transport::Message message) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  if (const Result<void> sent = transport_.send(found->second, std::move(message)); !sent) {
    log::warn("attention node {} is lost: {}", node.value, sent.error().to_string());
    lose(node);
  }
}

void Holders::wait_for_replies(std::span<const std::uint64_t> asks, TimePoint deadline) {
  for (;;) {
    progress();
    const auto is_over = [&](std::uint64_t ask) { return questions_.at(ask).over; };
    if (std::all_of(asks.begin(), asks.end(), is_over)) return;
    const TimePoint now = clock_.now();
    if (now >= deadline) break;
    wait(std::min<Duration>(deadline - now, std::chrono::milliseconds(100)));
  }
  for (std::uint64_t ask : asks) {
    const Question& question = questions_.at(ask);
    if (question.over) continue;
    log::warn("attention node {} is lost: it did not answer in time", question.node.value);
    lose(question.node);
  }
}

std::optional<transport::Message> Holders::take_reply(std::uint64_t ask) {
  const auto found = questions_.find(ask);
  if (found == questions_.end()) return std::nullopt;
  std::optional<transport::Message> reply = std::move(found->second.reply);
  questions_.erase(found);
  return reply;
}

void Holders::on_message(transport::PeerId peer, transport::Message message) {
  const auto node = nodes_.find(peer);
  const Result<wire::FrameHeader> header = wire::read_header(message.bytes());
  if (node == nodes_.end() || !header) {
    ++refused_;
    if (node != nodes_.end()) end_meeting(node->second, header.error());  // of another wire version, say
    return;
  }
  switch (header->kind) {
    case wire::MessageKind::kHelloReply:
      return on_hello_reply(node->second, message.bytes());
    case wire::MessageKind::kAttentionReply: {
      const auto question = questions_.find(header->ask);
      if (question == questions_.end() || question->second.node != node->second || question->second.over) {
        ++refused_;
        return;
      }
      question->second.reply = std::move(message);
      question->second.over = true;
      return;
    }
    case wire::MessageKind::kBlockAck: {
      Result<wire::BlockAck> ack = wire::decode_block_ack(message.bytes());
      if (ack) acknowledgements_.push_back({node->second, std::move(*ack)});
      else ++refused_;
      return;
    }
    case wire::MessageKind::kShutDown:
      lose(node->second);
      return;
    default:
      ++refused_;
  }
}

void Holders::on_hello_reply(NodeId node, std::span<const std::byte> frame) {
  const auto meeting = meetings_.find(node);
  if (meeting == meetings_.end()) {
    ++refused_;
    return;
  }
  const Result<wire::HelloReply> reply = wire::decode_hello_reply(frame);
  std::optional<Error> refusal = reply ? reply->error : std::optional(reply.error());
  if (reply && !refusal && reply->hello.ask != meeting->second.ask) {
    ++refused_;  // to an earlier Hello
    return;
  }
  if (refusal) refusal->message = "attention node " + known_.at(node).name + ": " + refusal->message;
  end_meeting(node, std::move(refusal));
}

void Holders::on_peer_lost(transport::PeerId peer, const Error& error) {
  const auto node = nodes_.find(peer);
  if (node == nodes_.end()) return;
  log::warn("attention node {} is lost: {}", node->second.value, error.to_string());
  lose(node->second);
}

}  // namespace longshore::compute
