#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/plan/node_descriptor.h"
#include "transport/link_metrics.h"
#include "transport/transport.h"
#include "transport/wire/attention_messages.h"
#include "transport/wire/block_messages.h"
#include "transport/wire/session_messages.h"

namespace longshore::compute {

// The compute node's side of its connections to attention nodes: who is there, which questions are open, what was
// acknowledged. Answers are matched by the number of the question and by the peer it went to; whatever fits no open
// question (late, doubled, foreign) is dropped by its header and counted.
// Thread: the compute thread, which owns the transport.
class Holders final : public transport::Receiver {
 public:
  struct Acknowledgement {
    NodeId node;
    wire::BlockAck ack;
  };

  Holders(transport::Transport& transport, const wire::Hello& hello, Metrics& metrics, const Clock& clock);

  // From here on attention nodes that have no thread of their own take this one's time: `turn` lets each take in what has
  // arrived for it, whenever this node would wait.
  void share_thread(std::function<void()> turn) { turn_ = std::move(turn); }

  // Begins to meet an attention node that it does not know; take_met tells how that ended. Nothing is waited for: steps go on meanwhile.
  // Errors: those of Transport::connect.
  Result<void> meet(const NodeDescriptor& node, std::chrono::milliseconds deadline);
  // Meets one and waits for it, taking in nobody else's end. Errors: those of Met.
  Result<void> connect(const NodeDescriptor& node, std::chrono::milliseconds deadline);
  // What its connection is. Errors: kUnavailable (it is not connected).
  Result<transport::PathReport> path(NodeId node) const;
  // Tells the metrics what every connection has carried by now.
  void export_counters();
  transport::LinkMetrics& metrics() { return metrics_; }
  // Forgets a node: its messages are refused from here on.
  void disconnect(NodeId node);
  // Forgets it as if its connection had broken: take_lost tells of it.
  void lose(NodeId node);
  // Met or being met, and not lost since.
  bool knows(NodeId node) const { return peers_.contains(node); }
  // Met, and not lost since.
  bool is_connected(NodeId node) const { return peers_.contains(node) && !meetings_.contains(node); }

  transport::Transport& transport() { return transport_; }
  // A number for the next question.
  std::uint64_t next_ask() { return ++last_ask_; }

  // Sends a query whose answer `take_reply` will give. A node that cannot be reached is lost.
  void send_query(NodeId node, std::uint64_t ask, transport::Message query);
  // Sends what needs no answer, or one that comes as an acknowledgement.
  void send(NodeId node, transport::Message message);

  // Waits until all these questions are answered or their nodes lost, at most until `deadline`; whoever has not
  // answered by then is lost, too.
  void wait_for_replies(std::span<const std::uint64_t> asks, TimePoint deadline);
  // The answer to a question, once; nothing if its node was lost first.
  std::optional<transport::Message> take_reply(std::uint64_t ask);

  // Delivers what has arrived, without waiting.
  void progress() { transport_.progress(*this); }
  // Likewise, after a turn for those who share the thread, and ends meetings whose time is over.
  void poll();
  // Waits until something has arrived, at most `limit`. Nodes that share the thread use the time, and then it may return
  // with nothing there, before the limit or after it.
  void wait(Duration limit);
  // An attention node agreed, or why not: kFailedPrecondition (another model, numerics or layout; named), kUnavailable
  // (it broke off), kDeadlineExceeded (silence).
  struct Met {
    NodeId node;
    std::optional<Error> error;
  };
  std::vector<Met> take_met() { return std::exchange(met_, {}); }
  std::vector<Acknowledgement> take_acknowledgements() { return std::exchange(acknowledgements_, {}); }
  std::vector<NodeId> take_lost() { return std::exchange(lost_, {}); }
  std::uint64_t refused_messages() const { return refused_; }

  // Of one that it knows.
  const std::string& name(NodeId node) const { return known_.at(node).name; }
  // Everyone that it knows.
  std::vector<NodeDescriptor> known() const;

 private:
  struct Question {
    NodeId node;
    std::optional<transport::Message> reply;
    bool over = false;  // answered, or the node is lost
  };

  struct Meeting {
    std::uint64_t ask = 0;
    TimePoint deadline;
  };

  void end_meeting(NodeId node, std::optional<Error> error);
  void on_hello_reply(NodeId node, std::span<const std::byte> frame);
  void on_message(transport::PeerId peer, transport::Message message) override;
  void on_peer_lost(transport::PeerId peer, const Error& error) override;

  transport::Transport& transport_;
  wire::Hello hello_;
  const Clock& clock_;
  std::function<void()> turn_;  // of the nodes that share this thread; null where there are none
  transport::LinkMetrics metrics_;
  std::uint64_t last_ask_ = 0;
  std::map<NodeId, transport::PeerId> peers_;
  std::map<transport::PeerId, NodeId> nodes_;
  std::map<NodeId, NodeDescriptor> known_;  // whoever is in peers_
  std::map<NodeId, Meeting> meetings_;      // under way; their peers are in peers_, too
  std::vector<Met> met_;
  std::map<std::uint64_t, Question> questions_;
  std::vector<Acknowledgement> acknowledgements_;
  std::vector<NodeId> lost_;
  std::uint64_t refused_ = 0;
};

}  // namespace longshore::compute
