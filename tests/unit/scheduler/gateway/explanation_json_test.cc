#include "scheduler/gateway/explanation_json.h"

#include <gtest/gtest.h>

#include <string>

namespace longshore::gateway {
namespace {

NodeDescriptor node_of(std::uint32_t id, NodeRole role) {
  NodeDescriptor node;
  node.id = NodeId{id};
  node.role = role;
  node.name = "node-" + std::to_string(id);
  node.memory_bytes = std::uint64_t{1} << 32;
  node.read_bytes_per_second = 1e10 * (id + 1);
  node.query_seconds = 5e-6;
  node.link_latency_seconds = 3e-5;
  node.link_bytes_per_second = 1e9;
  node.step_seconds = role == NodeRole::kCompute ? 0.007 : 0;
  node.cores = "box";
  return node;
}

// A plan of two nodes that share cores, and a third that is idle.
placement::Explanation explanation() {
  placement::PlannerInput input;
  input.model.query_heads = 6;
  input.model.kv_heads = 2;
  input.model.head_dim = 64;
  input.model.kv_bytes_per_token = 256;
  input.model.layer_windows.assign(30, 0);
  input.model.weight_bytes = 1 << 27;
  input.nodes = {node_of(0, NodeRole::kCompute), node_of(1, NodeRole::kAttention), node_of(2, NodeRole::kAttention),
                 node_of(3, NodeRole::kAttention)};
  input.nodes[3].memory_bytes = 0;
  input.generation = PlanGeneration{7};
  return {"tiny", "f16", input.workload, input.nodes, *placement::make_plan(input)};
}

TEST(ExplanationJsonTest, IsPrintedTheSameAfterItsJourney) {
  const placement::Explanation there = explanation();
  const Result<placement::Explanation> back = parse_explanation(explanation_json(there));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(render(*back), render(there));
  EXPECT_EQ(back->report.chosen.plan.holders, there.report.chosen.plan.holders);
  ASSERT_EQ(back->report.idle.size(), 1u);
  EXPECT_EQ(back->report.idle[0].why, "it gives no memory to KV");
  EXPECT_NE(render(*back).find("plan 7"), std::string::npos);
}

TEST(ExplanationJsonTest, NamesTheFieldThatIsWrong) {
  const auto refusal = [](const std::string& from, const std::string& to) {
    std::string text = explanation_json(explanation());
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    const Result<placement::Explanation> read = parse_explanation(text.replace(at, from.size(), to));
    EXPECT_FALSE(read) << to;
    return read ? std::string() : read.error().message;
  };
  EXPECT_NE(refusal("\"why\"", "\"because\"").find("why is missing"), std::string::npos);
  EXPECT_NE(refusal("\"node\":0", "\"node\":-1").find("nodes[0].node is -1"), std::string::npos);
  EXPECT_NE(refusal("\"holders\":[[", "\"holders\":[7,[").find("chosen.holders[0] is 7"), std::string::npos);
  EXPECT_NE(refusal("\"chosen\":{", "\"chosen\":1,\"x\":{").find("chosen is 1"), std::string::npos);
}

TEST(ExplanationJsonTest, RefusesWhatIsNoExplanation) {
  EXPECT_FALSE(parse_explanation(""));
  EXPECT_FALSE(parse_explanation("[]"));
  EXPECT_FALSE(parse_explanation("{}"));
  EXPECT_FALSE(parse_explanation(std::string(100000, '[')));
}

}  // namespace
}  // namespace longshore::gateway
