#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/base/metrics.h"
#include "runtime/plan/node_descriptor.h"
#include "runtime/plan/placement_plan.h"
#include "runtime/plan/step_batch.h"
#include "transport/link_metrics.h"
#include "transport/transport.h"
#include "transport/wire/session_messages.h"
#include "workers/compute/compute_metrics.h"
#include "workers/compute/compute_node.h"

namespace longshore::compute {

// A compute node as a process: takes batches from one scheduler, meets the attention nodes of plans to come while steps
// go on, and switches to a plan with the first batch of its generation. A Hello begins with a scheduler anew (it, its connection or
// this node's lease may have ended): every sequence is forgotten.
// Thread: `run` has its own; on_orders, preparation, has_scheduler and stop are thread-safe.
class ComputeServer final : private transport::Receiver {
 public:
  // `hello`: what this node is and serves. `transport`: for the scheduler, apart from the one for attention nodes.
  // `on_prepared` is called on run's thread when `preparation` has changed. All references outlive it.
  ComputeServer(ComputeNode& node, const wire::Hello& hello, transport::Transport& transport, Metrics& metrics,
                std::function<void()> on_prepared);

  // Serves until `stop`.
  void run();
  void stop();

  // The newest plan to prepare (or null), and the attention nodes that are in; others are lost. Between two steps.
  void on_orders(std::shared_ptr<const PlacementPlan> prepare, std::vector<NodeDescriptor> attention);
  struct Preparation {
    PlanGeneration seen;                   // the newest that was ever asked for
    PlanGeneration prepared;               // the newest plan whose nodes all are connected; 0: none
    std::optional<PlanGeneration> refused; // a newer one with nodes that could not be met
    std::vector<NodeId> unreachable;       // those nodes
  };
  Preparation preparation() const;
  // Of the links to attention nodes, as measured when they opened. Thread-safe.
  std::vector<LinkReport> links() const;
  // Whether a scheduler is connected.
  bool has_scheduler() const { return has_scheduler_.load(); }

 private:
  struct Orders {
    std::shared_ptr<const PlacementPlan> prepare;
    std::vector<NodeDescriptor> attention;
  };
  void carry_out(const Orders& orders);
  void prepare(std::shared_ptr<const PlacementPlan> plan, const std::vector<NodeDescriptor>& attention);
  void check_preparation();
  void publish_links();
  void refuse(NodeId node);
  void execute(StepBatch batch);
  void switch_to(PlanGeneration generation);
  void on_message(transport::PeerId peer, transport::Message message) override;
  void on_peer_lost(transport::PeerId peer, const Error& error) override;
  void on_hello(transport::PeerId peer, const wire::Hello& theirs);
  void forget_scheduler();

  ComputeNode& node_;
  wire::Hello hello_;
  transport::Transport& transport_;
  transport::LinkMetrics link_metrics_;  // of the transport to the scheduler
  std::string scheduler_name_;
  ComputeMetrics metrics_;
  const std::function<void()> on_prepared_;
  std::atomic<bool> stopping_{false}, has_scheduler_{false};
  mutable std::mutex mutex_;                       // guards the next three
  std::optional<Orders> orders_;                   // the newest that were not carried out
  Preparation preparation_;
  std::vector<LinkReport> links_;
  std::shared_ptr<const PlacementPlan> preparing_; // its nodes are being met
  std::map<PlanGeneration, std::shared_ptr<const PlacementPlan>> plans_;  // prepared and not yet overtaken
  std::optional<transport::PeerId> scheduler_;
  std::optional<StepBatch> batch_;
};

}  // namespace longshore::compute
