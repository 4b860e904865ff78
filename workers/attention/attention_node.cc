#include "workers/attention/attention_node.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/kernels/numerics_version.h"

namespace longshore::attention_node {

AttentionNode::AttentionNode(std::string name, NodeId id, const ServedModel& model, kernels::Isa isa, ThreadPool& pool,
                             kv::KvStore& store, transport::Transport& transport, Metrics& metrics)
    : name_(std::move(name)),
      id_(id),
      model_(model),
      kernels_(attention::attention_kernels(isa)),
      means_(store, retrieval::mean_kernels(isa)),
      pool_(pool),
      store_(store),
      transport_(transport),
      held_(store, model.layers, model.kv_heads),
      scratch_(pool.threads()),
      selections_(pool.threads()),
      links_(metrics, name_),
      queries_(metrics.counter("longshore_attention_queries_total", "Attention queries answered", {{"node", name_}})),
      probes_(metrics.counter("longshore_attention_probes_total",
                              "Queries for no KV answered: of a link's speed, or of /readyz", {{"node", name_}})),
      bytes_read_(metrics.counter("longshore_attention_kv_read_bytes_total", "Bytes of KV that queries attended over",
                                  {{"node", name_}})),
      blocks_in_(metrics.counter("longshore_kv_blocks_received_total", "KV blocks pulled and verified",
                                 {{"node", name_}})),
      blocks_held_(metrics.gauge("longshore_kv_blocks_used", "KV blocks that the node holds", {{"node", name_}})),
      attend_seconds_(metrics.histogram("longshore_attention_attend_seconds",
                                        "Time to answer one attention query, from its arrival to its reply",
                                        kStepPhaseBuckets, {{"node", name_}})) {
  const attention::AttendShape shape{store.layout(), model.group, {}, model.softcap};
  for (attention::AttendScratch& scratch : scratch_) scratch.reserve(shape);
}

AttentionNode::~AttentionNode() {
  for (Pull& pull : pulls_) give_up(pull);
}

void AttentionNode::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    progress();
    transport_.wait(std::chrono::milliseconds(100));
  }
  for (const auto& [peer, hello] : peers_)
    send(peer, wire::encode(wire::ShutDown{name_ + " stops"}, transport_.messages()));
  transport_.progress(*this);
}

void AttentionNode::stop() {
  stopping_.store(true, std::memory_order_release);
  transport_.wake();
}

void AttentionNode::progress() {
  transport_.progress(*this);
  finish_pulls();
  publish();
}

void AttentionNode::publish() {
  for (const auto& [peer, hello] : peers_) links_.update(peer, hello.node, transport_.counters(peer));
  blocks_held_.set(static_cast<double>(held_.blocks()));
  std::lock_guard lock(holding_mutex_);
  holding_ = {held_.sequences(), held_.leaves(), held_.blocks()};
}

AttentionNode::Holding AttentionNode::holding() const {
  std::lock_guard lock(holding_mutex_);
  return holding_;
}

void AttentionNode::send(transport::PeerId peer, transport::Message message) {
  if (const Result<void> sent = transport_.send(peer, std::move(message)); !sent)
    log::warn("{}: cannot answer: {}", name_, sent.error().to_string());  // on_peer_lost follows
}

void AttentionNode::on_message(transport::PeerId peer, transport::Message message) {
  const Result<wire::FrameHeader> header = wire::read_header(message.bytes());
  if (!header) {
    log::warn("{}: closing a peer that sends no frames of ours: {}", name_, header.error().message);
    transport_.close(peer);
    return;
  }
  if (header->kind == wire::MessageKind::kHello) return on_hello(peer, message.bytes());
  if (!peers_.contains(peer)) {
    log::warn("{}: closing a peer that sends {} before hello", name_, wire::to_string(header->kind));
    transport_.close(peer);
    return;
  }
  switch (header->kind) {
    case wire::MessageKind::kAttentionQuery: return on_query(peer, message.bytes());
    case wire::MessageKind::kBlockOffer: return on_offer(peer, message.bytes());
    case wire::MessageKind::kRelease:
      if (const Result<wire::Release> release = wire::decode_release(message.bytes()))
        held_.release(peer, release->sequence, release->epoch, release->from_leaf);
      return;
    case wire::MessageKind::kAdopt:
      if (const Result<wire::Adopt> adopt = wire::decode_adopt(message.bytes()))
        held_.adopt(peer, {adopt->sequence, adopt->epoch}, {adopt->carrier, adopt->carrier_epoch}, adopt->leaf_end);
      return;
    case wire::MessageKind::kPing:
      if (const Result<wire::Ping> ping = wire::decode_ping(message.bytes()))
        send(peer, wire::encode_pong(*ping, transport_.messages()));
      return;
    default:
      return;
  }
}

void AttentionNode::on_peer_lost(transport::PeerId peer, const Error& error) {
  log::info("{}: a compute node is gone: {}", name_, error.to_string());
  for (auto pull = pulls_.begin(); pull != pulls_.end();) {
    if (pull->peer != peer) {
      ++pull;
      continue;
    }
    give_up(*pull);
    pull = pulls_.erase(pull);
  }
  held_.release_peer(peer);
  if (const auto lost = peers_.extract(peer)) links_.update(peer, lost.mapped().node, transport_.counters(peer));
  links_.forget(peer);
}

void AttentionNode::on_hello(transport::PeerId peer, std::span<const std::byte> frame) {
  const Result<wire::Hello> theirs = wire::decode_hello(frame);
  if (!theirs) {
    transport_.close(peer);
    return;
  }
  wire::HelloReply reply;
  reply.hello = *theirs;  // the model's shapes are the model's: only what we can know differs
  reply.hello.node = name_;
  reply.hello.id = id_;
  reply.hello.role = NodeRole::kAttention;
  reply.hello.model = model_.model;
  reply.hello.numerics_version = kernels::kNumericsVersion;
  reply.hello.kv_layout = std::string(to_string(store_.layout().type));
  reply.hello.block_bytes = store_.layout().block_bytes();
  reply.hello.layers = model_.layers;
  reply.hello.kv_heads = model_.kv_heads;
  reply.hello.head_dim = model_.head_dim;
  if (const Result<void> agreed = wire::check_agreement(reply.hello, *theirs); !agreed) reply.error = agreed.error();
  else peers_[peer] = *theirs;
  send(peer, wire::encode(reply, transport_.messages()));
}

}  // namespace longshore::attention_node
