#include "workers/compute/holders.h"

#include <algorithm>
#include <utility>

#include "runtime/base/log.h"

namespace longshore::compute {

Holders::Holders(transport::Transport& transport, const wire::Hello& hello, Metrics& metrics, const Clock& clock)
    : transport_(transport), hello_(hello), clock_(clock), metrics_(metrics, hello.node) {}

Result<void> Holders::connect(const NodeDescriptor& node, std::chrono::milliseconds deadline) {
  const Result<transport::PeerId> peer = transport_.connect(node.address);
  if (!peer) return peer.error();
  peers_[node.id] = *peer;
  nodes_[*peer] = node.id;
  names_[*peer] = node.name;
  wire::Hello hello = hello_;
  hello.ask = next_ask();
  send_query(node.id, hello.ask, wire::encode(hello, transport_.messages()));
  wait_for_replies({&hello.ask, 1}, clock_.now() + deadline);
  const std::optional<transport::Message> message = take_reply(hello.ask);
  if (!message) {
    take_lost();  // it never was a holder
    return make_error(ErrorCode::kDeadlineExceeded, "attention node ", node.name, " at ", node.address,
                      " did not answer within ", deadline.count(), " ms");
  }
  const Result<wire::HelloReply> reply = wire::decode_hello_reply(message->bytes());
  std::optional<Error> refusal = reply ? reply->error : std::optional(reply.error());
  if (!refusal) return {};
  const Error error = make_error(refusal->code, "attention node ", node.name, ": ", refusal->message);
  disconnect(node.id);
  return error;
}

Result<transport::PathReport> Holders::path(NodeId node) const {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return make_error(ErrorCode::kUnavailable, "attention node ", node.value, " is not connected");
  return transport_.path(found->second);
}

void Holders::export_counters() {
  for (const auto& [peer, name] : names_) metrics_.update(peer, name, transport_.counters(peer));
}

void Holders::disconnect(NodeId node) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  const transport::PeerId peer = found->second;
  nodes_.erase(peer);
  if (const auto name = names_.extract(peer)) metrics_.update(peer, name.mapped(), transport_.counters(peer));
  metrics_.forget(peer);
  peers_.erase(found);
  transport_.close(peer);
  for (auto& [ask, question] : questions_)
    if (question.node == node) question.over = true;
}

void Holders::lose(NodeId node) {
  if (!is_connected(node)) return;
  disconnect(node);
  lost_.push_back(node);
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
    transport_.progress(*this);
    const auto is_over = [&](std::uint64_t ask) { return questions_.at(ask).over; };
    if (std::all_of(asks.begin(), asks.end(), is_over)) return;
    const TimePoint now = clock_.now();
    if (now >= deadline) break;
    transport_.wait(std::min<Duration>(deadline - now, std::chrono::milliseconds(100)));
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
    return;
  }
  switch (header->kind) {
    case wire::MessageKind::kHelloReply:
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

void Holders::on_peer_lost(transport::PeerId peer, const Error& error) {
  const auto node = nodes_.find(peer);
  if (node == nodes_.end()) return;
  log::warn("attention node {} is lost: {}", node->second.value, error.to_string());
  lose(node->second);
}

}  // namespace longshore::compute
