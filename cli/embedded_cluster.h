#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/loaded_model.h"
#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/kv/kv_store.h"
#include "runtime/plan/node_descriptor.h"
#include "scheduler/placement/explanation.h"
#include "transport/inproc/inproc_transport.h"
#include "transport/transport.h"
#include "workers/attention/attention_node.h"
#include "workers/compute/compute_node.h"

namespace longshore::cli {

enum class TransportKind { kInproc, kUcx };

struct ClusterOptions {
  std::uint32_t attention_nodes = 0;
  std::vector<double> read_bandwidths;  // bytes/s of the attention nodes in turn, the last for all that follow; empty: measured
  placement::ShardMode shard = placement::ShardMode::kAuto;
  TransportKind transport = TransportKind::kInproc;
  std::string ucx_tls;                // empty: UCX's choice
  Dtype kv_type = Dtype::kF16;
  std::uint64_t kv_bytes = 0;         // of KV memory in all; 0: for max_sequences x context, at most half of what is free
  std::uint32_t context_tokens = 0;   // of one sequence; 0: the model's
  std::uint32_t max_sequences = 16;
  std::uint32_t chunk_tokens = 512;
};

// One compute node and any number of attention nodes in this process: what `serve`, `bench` and the tools run on. With
// the in-process transport all nodes share one store and nothing is copied; over UCX each has its own.
// Attention nodes share the compute node's thread and pool: they work whenever it would wait, so that no thread takes a core
// from another. With attention nodes, what the cores and the links can do is measured once at the start; all nodes share the
// cores and so the measurement.
class EmbeddedCluster {
 public:
  // `model`, `metrics` and `clock` outlive it. Errors: KV memory that cannot be had or holds no leaf, transports that do
  // not start, a plan that cannot be made.
  static Result<std::unique_ptr<EmbeddedCluster>> create(const LoadedModel& model, const ClusterOptions& options,
                                                         Metrics& metrics, const Clock& clock);
  ~EmbeddedCluster();
  EmbeddedCluster(const EmbeddedCluster&) = delete;
  EmbeddedCluster& operator=(const EmbeddedCluster&) = delete;

  compute::ComputeNode& compute() { return *compute_; }
  const std::vector<NodeDescriptor>& nodes() const { return nodes_; }  // the compute node first
  const placement::PlanReport& report() const { return report_; }
  placement::Explanation explain() const;
  // A decode step of `sequences` with `context_tokens` each under the plan in use, from what was measured at the start.
  placement::PlanCost predict(std::uint64_t context_tokens, std::uint32_t sequences) const;
  // The compute node's store; the attention nodes' too where they share it.
  const kv::KvStore& store() const { return *stores_.front(); }
  // Of one attention node, [0, attention_nodes).
  const attention_node::AttentionNode& attention(std::size_t index) const { return *attention_[index]; }
  std::uint32_t context_tokens() const { return context_tokens_; }
  // Measures anew what `create` measured, between two steps and beside the sequences that run: for predictions that are to
  // hold now. The plan stays. Needs room for a leaf of one sequence. Errors: those of the probes.
  Result<void> measure_again();
  // Lets the nodes take in what is under way between them: nobody does between steps. Ends after some milliseconds.
  void settle();
  // Whole-model leaves that fit over all nodes.
  std::uint64_t kv_leaf_capacity() const;

 private:
  EmbeddedCluster(const LoadedModel& model, const ClusterOptions& options, Metrics& metrics, const Clock& clock)
      : model_(model), options_(options), metrics_(metrics), clock_(clock) {}
  Result<void> make_stores();
  Result<void> make_nodes();
  Result<void> measure();
  Result<void> make_plan();
  placement::PlannerInput planner_input() const;
  Result<std::unique_ptr<transport::Transport>> make_transport(const std::string& name);

  const LoadedModel& model_;
  ClusterOptions options_;
  Metrics& metrics_;
  const Clock& clock_;
  std::uint32_t context_tokens_ = 0;
  transport::InprocNetwork network_;
  std::vector<std::unique_ptr<kv::KvStore>> stores_;  // one shared, or one for each node: compute, then attention
  std::vector<std::unique_ptr<transport::Transport>> transports_;
  std::vector<std::unique_ptr<attention_node::AttentionNode>> attention_;
  std::unique_ptr<compute::ComputeNode> compute_;
  std::vector<NodeDescriptor> nodes_;
  placement::PlanReport report_;
};

// The model as the planner sees it.
placement::ModelShape model_shape(const model::ModelConfig& config, const kv::KvLayout& layout,
                                  std::uint64_t weight_bytes);
// As attention nodes must know it.
attention_node::ServedModel served_model(const LoadedModel& model);

}  // namespace longshore::cli
