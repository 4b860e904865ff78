// Every message goes there and back; every damaged one is refused, whichever byte it is.

#include "runtime/base/checksum.h"
#include "runtime/base/random.h"
#include "tests/unit/transport/wire/sample_messages.h"
#include "transport/wire/limits.h"
#include "transport/wire/reader.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace longshore::wire {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(ChecksumTest, IsXxh64) {
  EXPECT_EQ(checksum({}), 0xef46db3751d8e999u);
  EXPECT_EQ(checksum(bytes_of("a")), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(checksum(bytes_of("abc")), 0x44bc2cf5ad770999u);
  std::vector<std::byte> longer(100);
  for (std::size_t i = 0; i < longer.size(); ++i) longer[i] = static_cast<std::byte>(i * 7 % 256);
  EXPECT_EQ(checksum(longer), 0x8e2272c08247d5dbu);
}

TEST(ChecksumTest, OfPartsIsThatOfTheWhole) {
  std::vector<std::byte> bytes(1000);
  Random random(1);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  for (int round = 0; round < 100; ++round) {
    ChecksumStream stream;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t part = std::min<std::size_t>(bytes.size() - at, random.below(100));
      stream.update(std::span(bytes).subspan(at, part));
      at += part;
    }
    ASSERT_EQ(stream.finish(), checksum(bytes));
  }
}

class WireTest : public testing::Test {
 protected:
  transport::MessagePool pool_;
};

TEST_F(WireTest, HelloComesBack) {
  EXPECT_EQ(*decode_hello(encode(sample::hello(), pool_).bytes()), sample::hello());
  const HelloReply reply = *decode_hello_reply(encode(HelloReply{sample::hello(), {}}, pool_).bytes());
  EXPECT_EQ(reply.hello, sample::hello());
  EXPECT_FALSE(reply.error);
}

TEST_F(WireTest, PingsAndNoticesComeBack) {
  EXPECT_EQ(*decode_ping(encode_ping({5, 6}, pool_).bytes()), (Ping{5, 6}));
  EXPECT_EQ(*decode_pong(encode_pong({5, 6}, pool_).bytes()), (Ping{5, 6}));
  EXPECT_FALSE(decode_pong(encode_ping({5, 6}, pool_).bytes()));
  EXPECT_EQ(decode_shut_down(encode(ShutDown{"why"}, pool_).bytes())->reason, "why");
}

TEST_F(WireTest, BlocksComeBack) {
  EXPECT_EQ(*decode_block_offer(encode(sample::offer(), pool_).bytes()), sample::offer());
  const Release release{PlanGeneration{1}, SequenceId{2}, SequenceEpoch{3}, 4};
  EXPECT_EQ(*decode_release(encode(release, pool_).bytes()), release);
  const Adopt adopt{PlanGeneration{1}, SequenceId{2}, SequenceEpoch{3}, SequenceId{4}, SequenceEpoch{5}, 6};
  EXPECT_EQ(*decode_adopt(encode(adopt, pool_).bytes()), adopt);
  BlockAck ack{
      PlanGeneration{1}, SequenceId{2}, SequenceEpoch{3}, 4, 5, Error{ErrorCode::kDataLoss, "broken"}};
  const BlockAck back = *decode_block_ack(encode(ack, pool_).bytes());
  EXPECT_EQ(back.ask, 4u);
  EXPECT_EQ(back.leaf, 5u);
  ASSERT_TRUE(back.error);
  EXPECT_EQ(back.error->code, ErrorCode::kDataLoss);
  EXPECT_EQ(back.error->message, "broken");
}

TEST_F(WireTest, EveryErrorCodeComesBack) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    const BlockAck ack{{}, {}, {}, 0, 0, Error{static_cast<ErrorCode>(code), std::string(10000, 'x')}};
    const BlockAck back = *decode_block_ack(encode(ack, pool_).bytes());
    EXPECT_EQ(back.error->code, static_cast<ErrorCode>(code));
    EXPECT_EQ(back.error->message.size(), kTextBytesMax);
  }
}

TEST_F(WireTest, QueryComesBackInPlace) {
  const transport::Message message = sample::query(pool_);
  const Result<AttentionQuery> query = decode_attention_query(message.bytes());
  ASSERT_TRUE(query) << query.error().message;
  EXPECT_EQ(query->generation, PlanGeneration{7});
  EXPECT_EQ(query->step, StepId{1000});
  EXPECT_EQ(query->ask, 55u);
  EXPECT_EQ(query->layer, 4u);
  EXPECT_EQ(query->group, 2u);
  EXPECT_EQ(query->head_dim, 16u);
  ASSERT_EQ(query->items.size(), 5u);
  const QueryItem& item = query->items[0];
  EXPECT_EQ(item.sequence, SequenceId{42});
  EXPECT_EQ(item.position, 640u);
  EXPECT_EQ(item.tokens, 3u);
  EXPECT_EQ(item.leaf_end, 4u);
  EXPECT_EQ(std::vector<std::uint32_t>(item.kv_heads.begin(), item.kv_heads.end()),
            (std::vector<std::uint32_t>{0, 2}));
  ASSERT_EQ(item.q.size(), 2u * 3 * 2 * 16);
  EXPECT_EQ(item.q[191], 95.5f);
  EXPECT_EQ(query->items[1].q[1], 500.5f);
  EXPECT_EQ(query->items[1].kind, QueryKind::kAttend);
  EXPECT_EQ(query->items[2].kind, QueryKind::kScore);
  EXPECT_TRUE(query->items[2].chosen.empty());
  EXPECT_EQ(query->items[2].q[1], 1000.5f);
  EXPECT_EQ(query->items[3].kind, QueryKind::kAttendChosen);
  ASSERT_EQ(query->items[3].chosen.size(), 2u * 2);  // 14 units
  EXPECT_EQ(query->items[3].chosen[3], std::byte{52});
  EXPECT_EQ(query->items[3].q[1], 1500.5f);
  EXPECT_EQ(query->items[4].kind, QueryKind::kChoose);
  EXPECT_EQ(query->items[4].units, 9u);
  for (const QueryItem& each : query->items) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(each.q.data()) % 64, 0u);
    EXPECT_GE(reinterpret_cast<const std::byte*>(each.q.data()), message.bytes().data());
    EXPECT_LE(reinterpret_cast<const std::byte*>(each.q.data() + each.q.size()), &message.bytes().back() + 1);
  }
}

TEST_F(WireTest, ReplyComesBackInPlace) {
  const transport::Message message = sample::reply(pool_);
  const Result<AttentionReply> reply = decode_attention_reply(message.bytes());
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_FALSE(reply->error);
  ASSERT_EQ(reply->items.size(), 3u);
  const std::vector<PartialNode>& nodes = reply->items[0].nodes;
  ASSERT_EQ(nodes.size(), 3u);
  EXPECT_EQ(nodes[1].level, 0u);
  EXPECT_EQ(nodes[1].index, 2u);
  EXPECT_EQ(nodes[2].kv_head, 2u);
  for (std::size_t n = 0; n < 3; ++n) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(nodes[n].sum.data()) % 64, 0u);
    ASSERT_EQ(nodes[n].sum.size(), 3u * 2 * 16);
    ASSERT_EQ(nodes[n].max.size(), 6u);
    ASSERT_EQ(nodes[n].weight.size(), 6u);
    EXPECT_EQ(nodes[n].sum[0], static_cast<float>(n) + 0.25f);
    EXPECT_EQ(nodes[n].weight[5], static_cast<float>(n) + 0.25f * (96 + 12));
  }
  ASSERT_TRUE(reply->items[1].error);
  EXPECT_EQ(reply->items[1].error->code, ErrorCode::kNotFound);
  EXPECT_TRUE(reply->items[1].nodes.empty());
  const std::vector<ScoredLeaves>& scores = reply->items[2].scores;
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_EQ(scores[1].kv_head, 1u);
  EXPECT_EQ(scores[1].leaf, 4u);
  EXPECT_EQ(scores[1].leaves, 2u);
  ASSERT_EQ(scores[1].logits.size(), 2u * 4);
  EXPECT_EQ(scores[1].logits[7], 53.5f);
}

TEST_F(WireTest, ScoresOutOfOrderAndManyTokensThatChooseAreRefused) {
  AttentionReplyWriter reply(sample::attention_ids());
  reply.add_item(SequenceId{44}, SequenceEpoch{1}, 1);
  reply.add_scores(1, 4, 2);
  reply.add_scores(1, 5, 2);
  reply.lay_out(pool_);
  const auto refused = decode_attention_reply(reply.finish().bytes());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("out of order"), std::string::npos) << refused.error().message;

  AttentionQueryWriter query(sample::attention_ids());
  const std::uint32_t head[] = {0};
  query.add_item({SequenceId{42}, SequenceEpoch{2}, 640, 3, 4, head, {}});
  query.lay_out(pool_);
  transport::Message message = query.finish();
  FrameHeader header = *read_header(message.bytes());
  message.data()[kFrameHeaderBytes + 16 + 28] = std::byte{1};  // the kind of the first item
  const auto many = decode_attention_query(
      sample::with_body(header, message.bytes().subspan(kFrameHeaderBytes), pool_).bytes());
  ASSERT_FALSE(many);
  EXPECT_NE(many.error().message.find("3 tokens choose units"), std::string::npos) << many.error().message;
}

TEST_F(WireTest, RefusalComesBack) {
  const transport::Message message =
      encode_refusal(sample::attention_ids(), {ErrorCode::kAborted, "generation 6 is over"}, pool_);
  const Result<AttentionReply> reply = decode_attention_reply(message.bytes());
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->ask, 55u);
  EXPECT_EQ(reply->error->message, "generation 6 is over");
}

TEST_F(WireTest, BatchComesBack) {
  const StepBatch sent = sample::batch();
  const Result<StepBatch> batch = decode_step_batch(encode(sent, pool_).bytes());
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_EQ(batch->id, sent.id);
  EXPECT_EQ(batch->generation, sent.generation);
  ASSERT_EQ(batch->starts.size(), 1u);
  EXPECT_EQ(batch->starts[0].tokens_expected, 100u);
  ASSERT_TRUE(batch->starts[0].prefix);
  EXPECT_EQ(batch->starts[0].prefix->carrier, SequenceId{40});
  EXPECT_EQ(batch->starts[0].prefix->epoch, SequenceEpoch{1});
  EXPECT_EQ(batch->starts[0].prefix->leaves, 4u);
  EXPECT_TRUE(batch->starts[0].asks_every_holder);
  EXPECT_EQ(batch->starts[0].heads, sent.starts[0].heads);
  EXPECT_EQ(batch->starts[0].sampling.temperature, 0.5f);
  EXPECT_EQ(batch->starts[0].sampling.seed, 12345u);
  EXPECT_EQ(batch->starts[0].sampling.logit_bias, sent.starts[0].sampling.logit_bias);
  EXPECT_EQ(batch->starts[0].sampling.end_tokens, sent.starts[0].sampling.end_tokens);
  EXPECT_EQ(batch->releases, sent.releases);
  ASSERT_EQ(batch->keeps.size(), 1u);
  EXPECT_EQ(batch->keeps[0].sequence, SequenceId{39});
  EXPECT_EQ(batch->keeps[0].leaves, 7u);
  ASSERT_EQ(batch->entries.size(), 2u);
  EXPECT_EQ(batch->entries[0].tokens, sent.entries[0].tokens);
  EXPECT_TRUE(batch->entries[0].score);
  EXPECT_EQ(batch->entries[0].next_token, 8);
  EXPECT_EQ(batch->entries[1].position, 777u);
  EXPECT_EQ(batch->entries[1].draw, 4u);
  EXPECT_EQ(batch->entries[1].next_token, -1);
}

TEST_F(WireTest, OutcomeComesBack) {
  const StepOutcome sent = sample::outcome();
  const Result<StepOutcome> outcome = decode_step_outcome(encode(sent, PlanGeneration{7}, pool_).bytes());
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->timing.sample, 0.0078125);
  EXPECT_EQ(outcome->kv_leaves_used, 12u);
  ASSERT_EQ(outcome->entries.size(), 2u);
  EXPECT_EQ(outcome->entries[0].sampled->top[1].token, 6);
  EXPECT_EQ(outcome->entries[0].scores[1].top[0].logprob, -0.25f);
  EXPECT_EQ(outcome->entries[1].error->message, "leaf 3 is lost");
  EXPECT_EQ(outcome->entries[1].position_lost, 384u);
  EXPECT_FALSE(outcome->entries[1].sampled);
}

TEST_F(WireTest, HeaderTellsGenerationSequenceAndLayerBeforeTheBodyIsLookedAt) {
  transport::Message message = encode(sample::offer(), pool_);
  std::memset(message.data() + kFrameHeaderBytes, 0xff, message.size() - kFrameHeaderBytes);
  const Result<FrameHeader> header = read_header(message.bytes());
  ASSERT_TRUE(header);
  EXPECT_EQ(header->generation, PlanGeneration{7});
  EXPECT_EQ(header->sequence, SequenceId{42});
  EXPECT_EQ(header->epoch, SequenceEpoch{2});
  EXPECT_EQ(header->layer, kNoLayer);
  EXPECT_EQ(read_header(sample::query(pool_).bytes())->layer, 4u);
  EXPECT_EQ(decode_block_offer(message.bytes()).error().code, ErrorCode::kDataLoss);
}

TEST_F(WireTest, NamesBothWireVersions) {
  transport::Message message = encode_ping({1, 2}, pool_);
  message.data()[4] = std::byte{9};
  const Error error = decode_ping(message.bytes()).error();
  EXPECT_EQ(error.code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(error.message.find("version 9"), std::string::npos) << error.message;
}

TEST_F(WireTest, RefusesEveryFlippedBit) {
  for (const transport::Message& message : sample::all(pool_)) {
    transport::Message copy = pool_.take(message.size());
    for (std::size_t at = 0; at < message.size(); ++at) {
      std::memcpy(copy.data(), message.bytes().data(), message.size());
      copy.data()[at] ^= std::byte{4};
      ASSERT_FALSE(sample::decode_any(copy.bytes())) << "byte " << at;
    }
  }
}

TEST_F(WireTest, RefusesEveryTruncation) {
  for (const transport::Message& message : sample::all(pool_)) {
    ASSERT_TRUE(sample::decode_any(message.bytes()));
    for (std::size_t size = 0; size < message.size(); ++size)
      ASSERT_FALSE(sample::decode_any(message.bytes().first(size))) << size;
    const FrameHeader header = *read_header(message.bytes());
    const std::span<const std::byte> body = message.bytes().subspan(kFrameHeaderBytes);
    for (std::size_t size = 0; size < body.size(); ++size)  // well sealed, and still too short
      ASSERT_FALSE(sample::decode_any(sample::with_body(header, body.first(size), pool_).bytes()))
          << to_string(header.kind) << " of " << size << " bytes";
    std::vector<std::byte> longer(body.begin(), body.end());
    longer.push_back({});
    ASSERT_FALSE(sample::decode_any(sample::with_body(header, longer, pool_).bytes()))
        << to_string(header.kind);
  }
}

TEST_F(WireTest, SurvivesRandomBodies) {
  Random random(20);
  for (const transport::Message& message : sample::all(pool_)) {
    const FrameHeader header = *read_header(message.bytes());
    const std::span<const std::byte> body = message.bytes().subspan(kFrameHeaderBytes);
    for (int round = 0; round < 500; ++round) {
      std::vector<std::byte> changed(body.begin(), body.end());
      for (std::uint64_t i = 0; i <= random.below(8) && !changed.empty(); ++i)
        changed[random.below(changed.size())] = static_cast<std::byte>(random() % 3 == 0 ? 0xff : random());
      (void)sample::decode_any(
          sample::with_body(header, changed, pool_).bytes());  // either is fine; no crash
      for (std::byte& b : changed) b = static_cast<std::byte>(random());
      (void)sample::decode_any(sample::with_body(header, changed, pool_).bytes());
    }
  }
}

// A body of these fields and 4,096 zeros, for what only a broken peer would write.
template <typename... Parts>
Error refusal_of(transport::MessagePool& pool, FrameHeader header, const Parts&... parts) {
  std::vector<std::byte> body((sizeof(parts) + ... + 4096));
  std::byte* at = body.data();
  ((std::memcpy(at, &parts, sizeof(parts)), at += sizeof(parts)), ...);
  const Result<void> result = sample::decode_any(sample::with_body(header, body, pool).bytes());
  return result ? Error{ErrorCode::kInternal, "accepted"} : result.error();
}

TEST_F(WireTest, NamesTheFieldThatIsOverItsLimit) {
  FrameHeader query;
  query.kind = MessageKind::kAttentionQuery;
  query.layer = 1;
  using u32 = std::uint32_t;
  EXPECT_EQ(refusal_of(pool_, query, u32{0}).message, "AttentionQuery: group is 0; it may be 1 to 128");
  EXPECT_EQ(refusal_of(pool_, query, u32{1}, u32{4096}).message,
            "AttentionQuery: head_dim is 4096; it may be 1 to 1024");
  EXPECT_EQ(refusal_of(pool_, query, u32{1}, u32{64}, u32{0xffffffff}).message,
            "AttentionQuery: items is 4294967295; it may be 0 to 4096");
  EXPECT_EQ(refusal_of(pool_, query, u32{1}, u32{64}, u32{4000}).message,
            "AttentionQuery: items is 4000, but only 4096 bytes follow");
  query.layer = kNoLayer;
  EXPECT_NE(refusal_of(pool_, query, u32{1}).message.find("layer is 4294967295"), std::string::npos);
  FrameHeader offer;
  offer.kind = MessageKind::kBlockOffer;
  EXPECT_EQ(refusal_of(pool_, offer, u32{0}).message, "BlockOffer: leaf is 0; it may be 1 to 4294967295");
  EXPECT_EQ(refusal_of(pool_, offer, u32{1}, u32{3}).message, "BlockOffer: stripe is 3, not a power of two");
}

TEST_F(WireTest, RefusesRowsThatCrossALeaf) {
  FrameHeader query;
  query.kind = MessageKind::kAttentionQuery;
  query.layer = 1;
  using u32 = std::uint32_t;
  const auto message = [&](u32 position, u32 tokens, u32 leaf_end) {
    return refusal_of(pool_, query, u32{1}, u32{1}, u32{1}, u32{1}, std::uint64_t{9}, u32{0}, position,
                      tokens, leaf_end, u32{1})
        .message;
  };
  EXPECT_NE(message(127, 2, 0).find("cross a leaf"), std::string::npos);
  EXPECT_NE(message(128, 1, 2).find("leaf_end 2"), std::string::npos);
}

TEST_F(WireTest, RefusesNodesThatOverlapOrAreOutOfOrder) {
  const auto accepted = [&](std::vector<std::array<std::uint32_t, 3>> nodes) {
    AttentionReplyWriter writer(sample::attention_ids());
    writer.add_item(SequenceId{1}, SequenceEpoch{0}, 1);
    for (const auto& [head, level, index] : nodes) writer.add_node(head, level, index);
    writer.lay_out(pool_);
    return decode_attention_reply(writer.finish().bytes()).has_value();
  };
  EXPECT_TRUE(accepted({}));
  EXPECT_TRUE(accepted({{0, 2, 0}, {0, 1, 2}, {1, 0, 0}}));
  EXPECT_FALSE(accepted({{0, 2, 0}, {0, 0, 3}}));
  EXPECT_FALSE(accepted({{0, 0, 3}, {0, 0, 2}}));
  EXPECT_FALSE(accepted({{1, 0, 3}, {0, 0, 4}}));
  EXPECT_FALSE(accepted({{0, 31, 2}}));
}

TEST_F(WireTest, AgreementNamesWhatDiffers) {
  const Hello ours = sample::hello();
  EXPECT_TRUE(check_agreement(ours, ours));
  const auto refusal = [&](auto change) {
    Hello theirs = ours;
    change(theirs);
    const Result<void> result = check_agreement(ours, theirs);
    return result ? std::string("agreed") : result.error().message;
  };
  EXPECT_NE(refusal([](Hello& h) { h.model[0] = 1; }).find("has model 01"), std::string::npos);
  EXPECT_EQ(refusal([](Hello& h) { h.numerics_version = 2; }),
            "node attention-0 has numerics version 2, this node 1; run the same release on both");
  EXPECT_EQ(refusal([](Hello& h) { h.kv_layout = "q8_0"; }),
            "node attention-0 has KV layout q8_0, this node f16/16; give both the same --kv-type");
  EXPECT_NE(refusal([](Hello& h) { h.layers = 2; }).find("layers 2"), std::string::npos);
  EXPECT_NE(refusal([](Hello& h) { h.kv_heads = 2; }).find("KV heads 2"), std::string::npos);
  EXPECT_NE(refusal([](Hello& h) { h.head_dim = 2; }).find("head_dim 2"), std::string::npos);
  EXPECT_NE(refusal([](Hello& h) { h.block_bytes = 2; }).find("block bytes 2"), std::string::npos);
}

// The worked example of WIRE.md, byte for byte.
// What the fuzzer begins with. LONGSHORE_WRITE_CORPUS=1 writes it anew.
TEST_F(WireTest, TheFuzzCorpusIsOfThisVersion) {
  const std::filesystem::path folder = "tests/fuzz/corpus/wire";
  std::set<std::string> expected;
  for (const transport::Message& message : sample::all(pool_)) {
    const FrameHeader header = *read_header(message.bytes());
    const std::string name = std::to_string(expected.size()) + "_" + std::string(to_string(header.kind));
    expected.insert(name);
    const std::string bytes(reinterpret_cast<const char*>(message.bytes().data()), message.bytes().size());
    if (std::getenv("LONGSHORE_WRITE_CORPUS") != nullptr) std::ofstream(folder / name, std::ios::binary) << bytes;
    std::ifstream file(folder / name, std::ios::binary);
    EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(file), {}) == bytes)
        << name << " is not today's message: write it anew with LONGSHORE_WRITE_CORPUS=1";
  }
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) found.insert(entry.path().filename());
  EXPECT_EQ(found, expected);
}

TEST_F(WireTest, TheExampleInTheGrammarIsAMessage) {
  const transport::Message message =
      encode(Release{PlanGeneration{3}, SequenceId{0x1122}, SequenceEpoch{5}, 2}, pool_);
  std::string hex;
  for (const std::byte b : message.bytes()) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", std::to_integer<unsigned>(b));
    hex += two;
  }
  EXPECT_EQ(hex,
            "4c534631"
            "0500"
            "2200"
            "04000000"
            "ffffffff"
            "0300000000000000"
            "0000000000000000"
            "0000000000000000"
            "2211000000000000"
            "05000000"
            "00000000"
            "01ff4d6ad3fbf99f"
            "02000000");
}

}  // namespace
}  // namespace longshore::wire
