#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/random.h"
#include "scheduler/cluster/cluster_control.h"

namespace longshore::sim {

// Everything random about one run, drawn from its seed. Durations in milliseconds.
struct ClusterScenario {
  std::uint32_t attention_nodes = 0;
  double message_loss = 0;         // chance per message
  std::uint64_t delay_max = 0;     // of a message
  double crash = 0, pause = 0;     // chance per node and second
  double scheduler_pause = 0;      // chance per second
  double refusal = 0;              // chance per prepared plan
  static ClusterScenario draw(std::uint64_t seed);
};

class ClusterWorld;

// One invariant. Says what is wrong; the world knows when and from which seed.
class ClusterChecker {
 public:
  virtual ~ClusterChecker() = default;
  virtual void on_registered(const ClusterWorld&, const cluster::Lease&) {}
  virtual void on_heard(const ClusterWorld&, NodeId, cluster::RegistrationEpoch, bool /*accepted*/) {}
  virtual void on_prepared(const ClusterWorld&, NodeId, cluster::RegistrationEpoch, PlanGeneration) {}
  virtual void on_lost(const ClusterWorld&, const cluster::Member&) {}
  virtual void on_switch(const ClusterWorld&, const PlacementPlan&) {}
  virtual void at_end(const ClusterWorld&) {}
  const std::vector<std::string>& violations() const { return violations_; }

 protected:
  template <typename... Parts>
  void violated(const Parts&... parts) {
    violations_.push_back(make_error(ErrorCode::kInternal, parts...).message);
  }

 private:
  std::vector<std::string> violations_;
};

// A scheduler's ClusterControl and its nodes on one thread in virtual time: messages are lost and late, nodes crash,
// stop and come back, the scheduler itself stops. Faults last a minute; then the cluster must find together.
class ClusterWorld {
 public:
  // A process that registers, renews its lease, prepares plans. Node 0 is the compute node.
  struct Node {
    std::string name;
    bool is_up = true;
    TimePoint stopped_until{};      // by SIGSTOP: what is due before happens then
    std::uint64_t life = 0;         // grows with each restart: what an earlier life began does not go on
    std::optional<cluster::Lease> lease;
    PlanGeneration generation_seen{0};
  };

  explicit ClusterWorld(std::uint64_t seed);
  // Returns what the checkers found, with the last events before it; empty if nothing.
  std::vector<std::string> run();

  TimePoint now() const { return now_; }
  const cluster::ClusterOptions& options() const { return options_; }
  const cluster::ClusterControl& control() const { return control_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  std::uint64_t losses() const { return losses_; }
  std::uint64_t switches() const { return switches_; }

 private:
  using Event = std::function<void()>;
  void after(Duration delay, Event event);
  // Runs on the node, once it is not stopped, if it still lives that life.
  void on_node(std::size_t index, Duration delay, Event event);
  void on_scheduler(Duration delay, Event event);
  Duration latency();
  bool is_lost();

  void live(std::size_t index);
  void register_node(std::size_t index);
  void renew(std::size_t index);
  void restart(std::size_t index);
  void prepare(std::size_t index, cluster::Lease lease, PlanGeneration generation);
  void tick_scheduler();
  void end_step();
  void strike();
  void carry_out(cluster::ClusterActions actions);
  template <typename... Parts>
  void note(const Parts&... parts) {
    notes_.push_back(make_error(ErrorCode::kInternal, (now_ - TimePoint{}) / std::chrono::milliseconds(1), " ms ", parts...).message);
    if (notes_.size() > 50) notes_.pop_front();
  }

  ClusterScenario scenario_;
  Random random_;
  cluster::ClusterOptions options_;
  cluster::ClusterControl control_;
  std::vector<std::unique_ptr<ClusterChecker>> checkers_;
  std::vector<Node> nodes_;
  std::map<NodeId, std::size_t> node_of_;  // registered id -> process
  std::map<std::pair<TimePoint, std::uint64_t>, Event> events_;
  std::uint64_t last_event_ = 0, losses_ = 0, switches_ = 0;
  TimePoint now_{};
  TimePoint scheduler_stopped_until_{};
  std::deque<std::string> notes_;
};

std::vector<std::unique_ptr<ClusterChecker>> all_cluster_checkers();

}  // namespace longshore::sim
