#pragma once

#include "transport/message.h"
#include "transport/wire/attention_messages.h"
#include "transport/wire/block_messages.h"
#include "transport/wire/frame.h"
#include "transport/wire/session_messages.h"
#include "transport/wire/step_messages.h"

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

// One message of each kind with every optional part in it, for tests and for the fuzz corpus.
namespace longshore::wire::sample {

inline Hello hello() {
  Hello hello;
  hello.node = "attention-0";
  hello.id = NodeId{3};
  hello.role = NodeRole::kAttention;
  hello.model.fill(0xab);
  hello.numerics_version = 1;
  hello.kv_layout = "f16/16";
  hello.block_bytes = 65536;
  hello.layers = 30;
  hello.kv_heads = 3;
  hello.head_dim = 64;
  hello.generation = PlanGeneration{7};
  hello.ask = 11;
  return hello;
}

inline BlockOffer offer() {
  BlockOffer offer;
  offer.generation = PlanGeneration{7};
  offer.sequence = SequenceId{42};
  offer.epoch = SequenceEpoch{2};
  offer.ask = 99;
  offer.leaf = 5;
  offer.stripe = 4;
  for (std::uint32_t i = 0; i < 3; ++i) {
    OfferedBlock block;
    block.layer = i;
    block.kv_head = 2;
    block.name.fill(static_cast<std::uint8_t>(i + 1));
    block.region = transport::RegionId{2};
    block.offset = 4096 * i;
    block.bytes = 4096;
    block.checksum = 0x1234567890abcdef + i;
    offer.blocks.push_back(block);
  }
  return offer;
}

inline StepBatch batch() {
  StepBatch batch;
  batch.id = StepId{1000};
  batch.generation = PlanGeneration{7};
  SequenceStart start;
  start.sequence = SequenceId{42};
  start.epoch = SequenceEpoch{2};
  start.prompt_tokens = 3;
  start.tokens_expected = 100;
  start.prefix = SequenceStart::Prefix{SequenceId{40}, SequenceEpoch{1}, 4};
  start.asks_every_holder = true;
  start.heads.rules = {{4, 1000}, {0, 0}, {128, 1}};
  start.heads.selection.budget = 2048;
  start.sampling.temperature = 0.5f;
  start.sampling.seed = 12345;
  start.sampling.top_logprobs = 5;
  start.sampling.logit_bias = {{17, -1.5f}, {18, 100.0f}};
  start.sampling.end_tokens = {2, 3};
  batch.starts.push_back(start);
  batch.releases = {SequenceId{40}, SequenceId{41}};
  batch.keeps = {{SequenceId{39}, 7}};
  StepEntry prompt;
  prompt.sequence = SequenceId{42};
  prompt.epoch = SequenceEpoch{2};
  prompt.tokens = {5, 6, 7};
  prompt.score = true;
  prompt.next_token = 8;
  StepEntry decode;
  decode.sequence = SequenceId{39};
  decode.epoch = SequenceEpoch{1};
  decode.position = 777;
  decode.tokens = {9};
  decode.sample = true;
  decode.draw = 4;
  batch.entries = {prompt, decode};
  return batch;
}

inline StepOutcome outcome() {
  StepOutcome outcome;
  outcome.id = StepId{1000};
  EntryOutcome good;
  good.sequence = SequenceId{42};
  good.epoch = SequenceEpoch{2};
  good.sampled = ScoredToken{5, -0.5f, {{5, -0.5f}, {6, -1.25f}}};
  good.scores = {ScoredToken{6, -2.0f, {}}, ScoredToken{7, -3.0f, {{1, -0.25f}}}};
  EntryOutcome bad;
  bad.sequence = SequenceId{39};
  bad.epoch = SequenceEpoch{1};
  bad.error = Error{ErrorCode::kDataLoss, "leaf 3 is lost"};
  bad.position_lost = 384;
  outcome.entries = {good, bad};
  outcome.timing = {.total = 0.5,
                    .compute = 0.25,
                    .attention = 0.125,
                    .wait = 0.0625,
                    .merge = 0.03125,
                    .transport = 0.015625,
                    .sample = 0.0078125};
  outcome.kv_leaves_used = 12;
  return outcome;
}

inline AttentionQueryWriter::Ids attention_ids() { return {PlanGeneration{7}, StepId{1000}, 55, 4, 2, 16}; }

inline transport::Message query(transport::MessagePool& pool) {
  AttentionQueryWriter writer(attention_ids());
  const std::uint32_t both[] = {0, 2};
  const std::uint32_t one[] = {1};
  writer.add_item({SequenceId{42}, SequenceEpoch{2}, 640, 3, 4, both, {}});
  writer.add_item({SequenceId{43}, SequenceEpoch{0}, 1023, 1, 6, one, {}});
  writer.add_item({SequenceId{44}, SequenceEpoch{1}, 900, 1, 6, one, {}, QueryKind::kScore});
  writer.add_item({SequenceId{45}, SequenceEpoch{3}, 1000, 1, 7, both, {}, QueryKind::kAttendChosen});
  writer.add_item({SequenceId{46}, SequenceEpoch{3}, 1000, 1, 7, one, {}, QueryKind::kChoose, {}, 9});
  writer.lay_out(pool);
  for (std::size_t item = 0; item < 5; ++item)
    for (std::size_t i = 0; i < writer.q(item).size(); ++i)
      writer.q(item)[i] = static_cast<float>(item * 1000 + i) * 0.5f;
  for (std::size_t i = 0; i < writer.chosen(3).size(); ++i) writer.chosen(3)[i] = static_cast<std::byte>(17 * i + 1);
  return writer.finish();
}

inline transport::Message reply(transport::MessagePool& pool) {
  AttentionReplyWriter writer(attention_ids());
  writer.add_item(SequenceId{42}, SequenceEpoch{2}, 3);
  writer.add_node(0, 1, 0);
  writer.add_node(0, 0, 2);
  writer.add_node(2, 0, 1);
  writer.add_failed_item(SequenceId{43}, SequenceEpoch{0},
                         {ErrorCode::kNotFound, "sequence 43 is unknown here"});
  writer.add_item(SequenceId{44}, SequenceEpoch{1}, 1);
  writer.add_scores(1, 1, 2);
  writer.add_scores(1, 4, 2);
  writer.lay_out(pool);
  for (std::size_t run = 0; run < 2; ++run)
    for (std::size_t i = 0; i < writer.scores(run).size(); ++i)
      writer.scores(run)[i] = static_cast<float>(100 * run + i) * 0.5f;
  for (std::size_t n = 0; n < 3; ++n) {
    const AttentionReplyWriter::Node node = writer.node(n);
    float value = static_cast<float>(n);
    for (const std::span<float> part : {node.sum, node.max, node.weight})
      for (float& x : part) x = (value += 0.25f);
  }
  return writer.finish();
}

inline std::vector<transport::Message> all(transport::MessagePool& pool) {
  std::vector<transport::Message> messages;
  messages.push_back(encode(hello(), pool));
  messages.push_back(
      encode(HelloReply{hello(), Error{ErrorCode::kFailedPrecondition, "another model"}}, pool));
  messages.push_back(encode(ShutDown{"SIGTERM"}, pool));
  messages.push_back(encode_ping({5, 123456789}, pool));
  messages.push_back(encode_pong({5, 123456789}, pool));
  messages.push_back(query(pool));
  messages.push_back(reply(pool));
  messages.push_back(encode_refusal(attention_ids(), {ErrorCode::kAborted, "generation 6 is over"}, pool));
  messages.push_back(encode(offer(), pool));
  messages.push_back(encode(BlockAck{PlanGeneration{7}, SequenceId{42}, SequenceEpoch{2}, 99, 5,
                                     Error{ErrorCode::kDataLoss, "block 1: checksum"}},
                            pool));
  messages.push_back(encode(Release{PlanGeneration{7}, SequenceId{42}, SequenceEpoch{2}, 3}, pool));
  messages.push_back(encode(Adopt{PlanGeneration{7}, SequenceId{42}, SequenceEpoch{2}, SequenceId{40}, SequenceEpoch{1}, 4}, pool));
  messages.push_back(encode(batch(), pool));
  messages.push_back(encode(outcome(), PlanGeneration{7}, pool));
  return messages;
}

// Decodes whatever kind it is. No error: it is a whole and legal message.
inline Result<void> decode_any(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = read_header(frame);
  if (!header) return header.error();
  const auto drop = [](const auto& decoded) -> Result<void> {
    if (!decoded) return decoded.error();
    return {};
  };
  switch (header->kind) {
    case MessageKind::kHello:
      return drop(decode_hello(frame));
    case MessageKind::kHelloReply:
      return drop(decode_hello_reply(frame));
    case MessageKind::kShutDown:
      return drop(decode_shut_down(frame));
    case MessageKind::kPing:
      return drop(decode_ping(frame));
    case MessageKind::kPong:
      return drop(decode_pong(frame));
    case MessageKind::kAttentionQuery:
      return drop(decode_attention_query(frame));
    case MessageKind::kAttentionReply:
      return drop(decode_attention_reply(frame));
    case MessageKind::kBlockOffer:
      return drop(decode_block_offer(frame));
    case MessageKind::kBlockAck:
      return drop(decode_block_ack(frame));
    case MessageKind::kRelease:
      return drop(decode_release(frame));
    case MessageKind::kAdopt:
      return drop(decode_adopt(frame));
    case MessageKind::kStepBatch:
      return drop(decode_step_batch(frame));
    case MessageKind::kStepOutcome:
      return drop(decode_step_outcome(frame));
  }
  return make_error(ErrorCode::kInternal, "read_header let an unknown kind pass");
}

// The same header over another body, sealed anew: what a peer that is broken, not garbled, would send.
inline transport::Message with_body(const FrameHeader& header,
                                    std::span<const std::byte> body,
                                    transport::MessagePool& pool) {
  transport::Message message = pool.take(kFrameHeaderBytes + body.size());
  if (!body.empty()) std::memcpy(message.data() + kFrameHeaderBytes, body.data(), body.size());
  seal_frame(header, message);
  return message;
}

}  // namespace longshore::wire::sample
