#include "cli/embedded_cluster.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "runtime/base/log.h"
#include "transport/ucx/ucx_transport.h"
#include "workers/compute/decode_probe.h"
#include "workers/probe/attention_rate.h"
#include "workers/probe/cores.h"

namespace longshore::cli {
namespace {

std::uint64_t free_memory_bytes() {
  const long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) : 0;
}

std::uint64_t leaf_blocks(const model::ModelConfig& config) { return std::uint64_t{config.layers} * config.kv_heads; }

}  // namespace

placement::ModelShape model_shape(const model::ModelConfig& config, const kv::KvLayout& layout,
                                  std::uint64_t weight_bytes) {
  placement::ModelShape shape;
  shape.query_heads = config.query_heads;
  shape.kv_heads = config.kv_heads;
  shape.head_dim = config.head_dim;
  shape.kv_bytes_per_token = static_cast<std::uint32_t>(layout.block_bytes() / kLeafTokens);
  shape.layer_windows = config.window;
  shape.weight_bytes = weight_bytes;
  return shape;
}

attention_node::ServedModel served_model(const LoadedModel& model) {
  const model::ModelConfig& config = model.config();
  return {model.file->sha256(), config.layers,   config.kv_heads,
          config.group(),       config.head_dim, config.attention_softcap};
}

Result<std::unique_ptr<EmbeddedCluster>> EmbeddedCluster::create(const LoadedModel& model,
                                                                 const ClusterOptions& options, Metrics& metrics,
                                                                 const Clock& clock) {
  std::unique_ptr<EmbeddedCluster> cluster(new EmbeddedCluster(model, options, metrics, clock));
  const std::uint32_t trained = model.config().context_length;
  cluster->context_tokens_ = options.context_tokens == 0 ? trained : options.context_tokens;
  if (cluster->context_tokens_ > trained)
    return make_error(ErrorCode::kInvalidArgument, "--context ", options.context_tokens, " is beyond the ", trained,
                      " tokens that ", model.name, " was trained for");
  if (Result<void> made = cluster->make_stores(); !made) return made.error();
  if (Result<void> made = cluster->make_nodes(); !made) return made.error();
  if (Result<void> made = cluster->make_plan(); !made) return made.error();
  return cluster;
}

EmbeddedCluster::~EmbeddedCluster() {
  compute_.reset();  // it calls upon the others
}

Result<void> EmbeddedCluster::make_stores() {
  const model::ModelConfig& config = model_.config();
  const kv::KvLayout layout{options_.kv_type, config.head_dim};
  if (Result<void> valid = layout.validate(); !valid) return valid;
  const std::uint64_t leaf_bytes = leaf_blocks(config) * layout.block_bytes();
  std::uint64_t bytes = options_.kv_bytes;
  if (bytes == 0) {
    const std::uint64_t wanted = (leaves_for(context_tokens_) + 1) * leaf_bytes * options_.max_sequences;
    bytes = std::min(wanted, free_memory_bytes() / 2);
  }
  if (bytes < 4 * leaf_bytes)
    return make_error(ErrorCode::kInvalidArgument, "--kv-memory ", bytes, " bytes is less than 4 leaves of 128 tokens (",
                      4 * leaf_bytes, " bytes) of this model");
  const bool shared = options_.transport == TransportKind::kInproc;
  const std::size_t stores = shared ? 1 : 1 + options_.attention_nodes;
  // A node over UCX has memory of its own: half of all for the compute node, which prefills, the rest in equal shares.
  for (std::size_t s = 0; s < stores; ++s) {
    const std::uint64_t share = stores == 1 ? bytes : s == 0 ? bytes / 2 : bytes / 2 / options_.attention_nodes;
    Result<std::unique_ptr<kv::KvStore>> store = kv::KvStore::create(layout, share);
    if (!store) return store.error();
    stores_.push_back(std::move(*store));
  }
  return {};
}

Result<std::unique_ptr<transport::Transport>> EmbeddedCluster::make_transport(const std::string& name) {
  if (options_.transport == TransportKind::kInproc) return network_.create(name);
  transport::UcxOptions ucx;
  ucx.tls = options_.ucx_tls;
  return transport::create_ucx_transport(ucx);
}

Result<void> EmbeddedCluster::make_nodes() {
  const kernels::Isa isa = model_.decoder->kernels().isa;
  transport::Transport* own = nullptr;
  if (options_.attention_nodes > 0) {
    Result<std::unique_ptr<transport::Transport>> transport = make_transport("compute-0");
    if (!transport) return transport.error();
    transports_.push_back(std::move(*transport));
    own = transports_.back().get();
  }
  compute::ComputeOptions options;
  options.rows_max = std::max(options_.chunk_tokens, options_.max_sequences);
  const Sha256 digest = own == nullptr ? Sha256{} : model_.file->sha256();
  Result<std::unique_ptr<compute::ComputeNode>> compute =
      compute::ComputeNode::create(*model_.decoder, *stores_.front(), digest, own, options, metrics_, clock_);
  if (!compute) return compute.error();
  compute_ = std::move(*compute);
  if (own != nullptr)
    compute_->share_thread([this] {
      for (auto& node : attention_) node->progress();
    });

  NodeDescriptor self;
  self.role = NodeRole::kCompute;
  self.name = options.name;
  self.memory_bytes = stores_.front()->memory().size();
  nodes_.push_back(self);
  for (std::uint32_t i = 0; i < options_.attention_nodes; ++i) {
    NodeDescriptor node;
    node.id = NodeId{i + 1};
    node.name = "attention-" + std::to_string(i);
    node.threads = model_.pool->threads();
    kv::KvStore& store = *stores_[stores_.size() == 1 ? 0 : i + 1];
    node.memory_bytes = store.memory().size() / (stores_.size() == 1 ? options_.attention_nodes : 1);
    Result<std::unique_ptr<transport::Transport>> transport = make_transport(node.name);
    if (!transport) return transport.error();
    transports_.push_back(std::move(*transport));
    node.address = transports_.back()->address();
    attention_.push_back(std::make_unique<attention_node::AttentionNode>(
        node.name, node.id, served_model(model_), isa, *model_.pool, store, *transports_.back(), metrics_));
    if (Result<void> met = compute_->connect(node); !met) return met;
    nodes_.push_back(std::move(node));
  }
  return {};
}

// Nodes of one process read the same memory with the same threads: one measurement holds for all.
Result<void> EmbeddedCluster::measure() {
  constexpr std::chrono::milliseconds kAttention{100}, kDecode{200};
  const model::ModelConfig& config = model_.config();
  const attention::AttentionKernels& kernels = attention::attention_kernels(model_.decoder->kernels().isa);
  const Result<probe::AttentionRate> attention =
      probe::attention_rate(kernels, {stores_.front()->layout(), config.group(), {}, config.attention_softcap},
                            config.kv_heads, *model_.pool, kAttention);
  if (!attention) return attention.error();
  const kv::KvStore& store = *stores_.front();
  const auto leaves = static_cast<std::uint32_t>((store.capacity() - store.used()) / leaf_blocks(config));
  const auto rows_max = static_cast<std::uint32_t>(std::max(options_.chunk_tokens, options_.max_sequences));
  const Result<compute::DecodeRate> decode = compute::decode_rate(*compute_, std::min(leaves, rows_max), kDecode);
  if (!decode) return decode.error();
  const std::string cores = probe::cores_of_process();
  for (NodeDescriptor& node : nodes_) {
    node.cores = cores.empty() ? "this process" : cores;
    node.read_bytes_per_second = attention->bytes_per_second;
    if (node.role == NodeRole::kCompute) {
      node.step_seconds = decode->step_seconds;
      node.row_seconds = decode->row_seconds;
      continue;
    }
    node.query_seconds = attention->query_seconds;
    const LinkReport& link = compute_->links().at(node.id);
    node.link_latency_seconds = link.round_trip_seconds;
    node.link_bytes_per_second = link.bytes_per_second;
    const std::vector<double>& given = options_.read_bandwidths;
    if (!given.empty()) node.read_bytes_per_second = given[std::min<std::size_t>(node.id.value, given.size()) - 1];
  }
  return {};
}

Result<void> EmbeddedCluster::measure_again() {
  if (Result<void> links = compute_->measure_links(); !links) return links;
  return measure();
}

void EmbeddedCluster::settle() {
  constexpr std::chrono::milliseconds kLimit{10};
  const TimePoint end = clock_.now() + kLimit;
  do compute_->poll();
  while (compute_->open_offers() > 0 && clock_.now() < end);
}

Result<void> EmbeddedCluster::make_plan() {
  if (Result<void> measured = measure(); !measured) return measured;
  log::info("measured: attention {:.2f} GB/s, decode step {:.2f} ms and {:.2f} ms a further sequence",
            1e-9 * nodes_.front().read_bytes_per_second, 1e3 * nodes_.front().step_seconds,
            1e3 * nodes_.front().row_seconds);
  Result<placement::PlanReport> report = placement::make_plan(planner_input());
  if (!report) return report.error();
  report_ = std::move(*report);
  if (options_.attention_nodes == 0) return {};
  return compute_->set_plan(std::make_shared<PlacementPlan>(report_.chosen.plan));
}

placement::PlannerInput EmbeddedCluster::planner_input() const {
  placement::PlannerInput input;
  input.model = model_shape(model_.config(), stores_.front()->layout(), model_.file->size());
  input.workload.context_tokens = context_tokens_;
  input.mode = options_.shard;
  input.generation = PlanGeneration{1};
  input.nodes = nodes_;
  return input;
}

placement::Explanation EmbeddedCluster::explain() const {
  return {model_.name, std::string(to_string(options_.kv_type)), planner_input().workload, nodes_, report_};
}

placement::PlanCost EmbeddedCluster::predict(std::uint64_t context_tokens, std::uint32_t sequences) const {
  const placement::PlannerInput input = planner_input();
  return placement::predict(compute_->plan(), input.model, {context_tokens, sequences}, input.nodes);
}

std::uint64_t EmbeddedCluster::kv_leaf_capacity() const {
  const std::uint64_t own = stores_.front()->capacity() / leaf_blocks(model_.config());
  // Nodes with memory of their own fill by the plan's shares: the first full one ends it, and an idle one adds nothing.
  return stores_.size() == 1 ? own : own + report_.chosen.cost.kv_leaves;
}

}  // namespace longshore::cli
