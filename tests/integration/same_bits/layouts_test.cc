// The same-bits contract over layouts, transports, chunkings, batch mates, threads and instruction sets
// (docs/determinism.md). One program run per model: the name is the last argument.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/check.h"
#include "tests/integration/same_bits/recorded_run.h"

namespace longshore::test {
namespace {

std::string model_name = "smollm2-135m";
bool quick = false;  // the large models: fewer, shorter runs

constexpr std::size_t kPromptTokens = 2050;

struct Layout {
  std::string name;
  std::uint32_t nodes = 0;
  std::vector<std::vector<std::uint32_t>> patterns = {};  // of nodes, for the KV heads in turn; empty: the planner's
  cli::TransportKind transport = cli::TransportKind::kInproc;
  std::string tls = {};
};

const cli::LoadedModel& model() {
  static const cli::LoadedModel loaded = load_or_die(model_name, 2, kernels::detect_isa());
  return loaded;
}

cli::ClusterOptions options_for(const Layout& layout) {
  cli::ClusterOptions options;
  options.attention_nodes = layout.nodes;
  options.transport = layout.transport;
  options.ucx_tls = layout.tls;
  options.max_sequences = 4;
  options.chunk_tokens = kPromptTokens;  // a whole prompt in one step, too
  options.context_tokens = 4096;
  return options;
}

std::unique_ptr<cli::EmbeddedCluster> make_cluster(const cli::LoadedModel& loaded, const Layout& layout,
                                                   Metrics& metrics) {
  static const SystemClock clock;
  auto cluster = cli::EmbeddedCluster::create(loaded, options_for(layout), metrics, clock);
  CHECK(cluster) << cluster.error().message;
  if (!layout.patterns.empty()) {
    PlacementPlan plan;
    plan.generation = PlanGeneration{2};
    // Patterns go round over the heads; a model with fewer heads than patterns gets several of them per head.
    const std::uint32_t heads = loaded.config().kv_heads;
    plan.holders.resize(heads);
    for (std::size_t p = 0; p < std::max<std::size_t>(heads, layout.patterns.size()); ++p)
      for (std::uint32_t node : layout.patterns[p % layout.patterns.size()])
        plan.holders[p % heads].push_back(NodeId{node});
    const Result<void> set = (*cluster)->compute().set_plan(std::make_shared<PlacementPlan>(plan));
    CHECK(set) << set.error().message;
  }
  return std::move(*cluster);
}

RunOptions default_run() {
  RunOptions options;
  options.generate = quick ? 40 : 200;
  return options;
}

const RecordedRun& monolithic() {
  static const RecordedRun run = [] {
    Metrics metrics;
    return record(*make_cluster(model(), {"monolithic"}, metrics), long_prompt(model(), kPromptTokens), default_run());
  }();
  return run;
}

const cli::TransportKind kUcx = cli::TransportKind::kUcx;
// UCX is not built with the thread sanitizer, which then sees neither its locks nor its memory.
#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif

class LayoutTest : public testing::TestWithParam<Layout> {};

TEST_P(LayoutTest, GivesTheBitsOfOneProcess) {
  const Layout& layout = GetParam();
  if (layout.transport == kUcx && kThreadSanitizer) GTEST_SKIP() << "the thread sanitizer does not know UCX";
  Metrics metrics;
  const std::unique_ptr<cli::EmbeddedCluster> cluster = make_cluster(model(), layout, metrics);
  const RecordedRun run = record(*cluster, long_prompt(model(), kPromptTokens), default_run());
  EXPECT_EQ(run.tokens, monolithic().tokens);
  EXPECT_TRUE(run == monolithic()) << "the tokens are the same, the logits are not";

  // The attention was really elsewhere: every holder was asked and had keys, in every full-attention layer. (The planner
  // may leave a node of this process idle where a model has fewer KV heads than nodes: all share the same cores.)
  const model::ModelConfig& config = model().config();
  for (std::uint32_t layer = 0; layer < config.layers; ++layer)
    EXPECT_EQ(cluster->compute().remote_partials()[layer] > 0, !config.windowed(layer)) << "layer " << layer;
  const std::vector<NodeId> holders = cluster->compute().plan().nodes();
  EXPECT_EQ(holders.size(), layout.patterns.empty() ? std::min(layout.nodes, config.kv_heads) : layout.nodes);
  for (NodeId node : holders)
    EXPECT_GT(metrics.counter("longshore_attention_kv_read_bytes_total", "",
                              {{"node", "attention-" + std::to_string(node.value - 1)}})
                  .value(),
              0)
        << "node " << node.value;
  cluster->settle();
  EXPECT_EQ(cluster->store().used(), 0u) << "blocks were not given back";
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, LayoutTest,
    testing::Values(Layout{"one_node", 1, {{1}}}, Layout{"two_nodes_planned", 2, {}},
                    Layout{"two_nodes_by_context", 2, {{1, 2}}}, Layout{"three_nodes_by_head", 3, {{1}, {2}, {3}}},
                    Layout{"three_nodes_by_context", 3, {{1, 2, 3}}},
                    Layout{"five_nodes_by_head_and_context", 5, {{1, 2}, {3, 4}, {5}}},
                    Layout{"unequal_shares", 2, {{1, 1, 1, 2}, {1}, {1, 2}}},
                    Layout{"ucx_shared_memory", 2, {{1, 2}}, kUcx, ""}, Layout{"ucx_tcp", 3, {{1}, {2, 3}, {3}}, kUcx, "tcp"}),
    [](const auto& layout) { return layout.param.name; });

TEST(NodeLossTest, ARunThatLosesAHolderIsTheUninterruptedOne) {
  Metrics metrics;
  const std::unique_ptr<cli::EmbeddedCluster> cluster = make_cluster(model(), {"remote", 2, {{1, 2}}}, metrics);
  RunOptions options = default_run();
  options.lost = NodeId{2};
  const RecordedRun run = record(*cluster, long_prompt(model(), kPromptTokens), options);
  EXPECT_TRUE(run == monolithic());
  EXPECT_GE(run.rows_again, kPromptTokens) << "nothing had to be computed again: the lost holder held nothing";
  EXPECT_EQ(cluster->compute().plan().nodes(), std::vector{NodeId{1}});
}

TEST(PrefixTest, ASequenceThatBeginsWithAnothersLeavesIsTheOneThatComputedThem) {
  struct Case {
    Layout layout;
    std::uint32_t leaves;
    std::uint32_t behind;  // tokens of the other one behind these leaves
  };
  // Far behind: then also the leaf before the first new row is elsewhere. Of a model with windows only a whole sequence
  // can be continued.
  const std::uint32_t far = model().config().has_windows() ? 127 : 300;
  const Layout two{"two", 2, {{1, 2}}}, five{"five", 5, {{1, 2}, {3, 4}, {5}}}, tcp{"tcp", 3, {{1}, {2, 3}, {3}}, kUcx, "tcp"};
  std::vector<Case> cases{{five, 15, far}, {tcp, 16, 1}};
  if (!quick)
    cases.insert(cases.end(),
                 {{{"monolithic"}, 16, far}, {two, 16, far}, {two, 2, far}, {two, 1, 5}, {five, 9, 1}, {tcp, 14, far}});
  for (const Case& one : cases) {
    if (one.layout.transport == kUcx && kThreadSanitizer) continue;
    Metrics metrics;
    const std::unique_ptr<cli::EmbeddedCluster> cluster = make_cluster(model(), one.layout, metrics);
    RunOptions options;
    options.generate = 30;
    options.prefix_leaves = one.leaves;
    options.carrier_tokens = one.leaves * 128 + one.behind;
    const RecordedRun run = record(*cluster, long_prompt(model(), kPromptTokens), options);
    RecordedRun expected = monolithic();
    expected.tokens.resize(options.generate);
    expected.logits.resize(options.generate);
    EXPECT_TRUE(run == expected) << one.layout.name << ", " << one.leaves << " leaves, " << one.behind << " behind";
    if (one.layout.nodes > 0 && one.behind == 300) {
      EXPECT_EQ(run.remote_prefix, one.leaves - 1) << "some of it was here";
    }
    cluster->settle();
    EXPECT_EQ(cluster->store().used(), 0u) << "blocks were not given back";
  }
}

TEST(ChunkingTest, AnyChunkGivesTheBitsOfOneRowAtATime) {
  const std::vector<TokenId> prompt = long_prompt(model(), quick ? 300 : kPromptTokens);
  const std::uint32_t whole = static_cast<std::uint32_t>(prompt.size());
  RunOptions options;
  options.generate = 20;
  options.chunk = 1;
  Metrics metrics;
  const RecordedRun one_by_one = record(*make_cluster(model(), {"monolithic"}, metrics), prompt, options);
  for (std::uint32_t chunk : {7u, 128u, 512u, whole}) {
    options.chunk = chunk;
    EXPECT_TRUE(record(*make_cluster(model(), {"monolithic"}, metrics), prompt, options) == one_by_one) << chunk;
    EXPECT_TRUE(record(*make_cluster(model(), {"remote", 2, {{1, 2}}}, metrics), prompt, options) == one_by_one)
        << chunk << ", with two attention nodes";
  }
}

TEST(BatchMatesTest, ASequenceAmongOthersIsTheSameAsAlone) {
  const std::vector<TokenId> prompt = long_prompt(model(), quick ? 600 : kPromptTokens);
  RunOptions options;
  options.generate = quick ? 20 : 100;
  options.chunk = 100;
  Metrics metrics;
  const RecordedRun alone = record(*make_cluster(model(), {"monolithic"}, metrics), prompt, options);
  options.mates = 3;
  EXPECT_TRUE(record(*make_cluster(model(), {"monolithic"}, metrics), prompt, options) == alone);
  EXPECT_TRUE(record(*make_cluster(model(), {"remote", 3, {{1, 2, 3}}}, metrics), prompt, options) == alone);
}

TEST(ThreadsTest, OneThreadGivesTheBitsOfTwo) {
  const std::vector<TokenId> prompt = long_prompt(model(), quick ? 600 : kPromptTokens);
  RunOptions options;
  options.generate = 20;
  Metrics metrics;
  const RecordedRun two = record(*make_cluster(model(), {"monolithic"}, metrics), prompt, options);
  const cli::LoadedModel single = load_or_die(model_name, 1, kernels::detect_isa());
  EXPECT_TRUE(record(*make_cluster(single, {"monolithic"}, metrics), prompt, options) == two);
  EXPECT_TRUE(record(*make_cluster(single, {"remote", 2, {{1, 2}}}, metrics), prompt, options) == two);
}

// Every head with sinks and a window, and every other one: what is dropped or kept here, and what holders have, changes
// nothing, neither does the way to it.
TEST(HeadPlanTest, WindowsGiveTheSameBitsWhereverTheirLeavesLie) {
  constexpr HeadRule kNarrow{4, 300};
  const model::ModelConfig& config = model().config();
  HeadPlan all{{kNarrow}}, some;
  for (std::uint32_t i = 0; i < config.layers * config.kv_heads; ++i)
    some.rules.push_back((i / config.kv_heads / 2 + i % config.kv_heads) % 2 == 0 ? HeadRule{} : kNarrow);
  const std::vector<TokenId> prompt = long_prompt(model(), kPromptTokens);
  const Layout five{"five", 5, {{1, 2}, {3, 4}, {5}}}, two{"two", 2, {{1, 2}}};
  Metrics metrics;
  for (const HeadPlan& heads : {all, some}) {
    RunOptions options;
    options.generate = quick ? 20 : 60;
    options.heads = heads;
    const RecordedRun expected = record(*make_cluster(model(), {"monolithic"}, metrics), prompt, options);
    EXPECT_NE(expected.logits.front(), monolithic().logits.front()) << "the rule hides nothing";
    if (heads == all && !config.has_windows()) {
      EXPECT_LE(expected.kv_leaves, 1 + 300 / 128 + 2) << "leaves outside the window are kept";
    }

    const std::unique_ptr<cli::EmbeddedCluster> cluster = make_cluster(model(), five, metrics);
    EXPECT_TRUE(record(*cluster, prompt, options) == expected) << "five nodes";
    std::uint64_t remote = 0;
    for (std::uint64_t of_layer : cluster->compute().remote_partials()) remote += of_layer;
    EXPECT_EQ(remote > 0, heads == some) << "narrow heads stay here, others do not";
    cluster->settle();
    EXPECT_EQ(cluster->store().used(), 0u) << "blocks were not given back";

    RunOptions chunked = options;
    chunked.chunk = 100;
    EXPECT_TRUE(record(*make_cluster(model(), two, metrics), prompt, chunked) == expected) << "chunks of 100";
    RunOptions interrupted = options;
    interrupted.lost = NodeId{2};
    EXPECT_TRUE(record(*make_cluster(model(), two, metrics), prompt, interrupted) == expected) << "a lost node";
    RunOptions prefixed = options;
    prefixed.prefix_leaves = 15;
    prefixed.carrier_tokens = 15 * 128 + 100;  // it ends where the other one begins: that leaves what its window sees
    EXPECT_TRUE(record(*make_cluster(model(), two, metrics), prompt, prefixed) == expected) << "a prefix";
  }
}

TEST(HeadPlanTest, AWindowOverTheWholeSequenceIsFullAttention) {
  RunOptions options = default_run();
  options.generate = 20;
  options.heads = {{{128, 5000}}};
  Metrics metrics;
  const RecordedRun run =
      record(*make_cluster(model(), {"monolithic"}, metrics), long_prompt(model(), kPromptTokens), options);
  RecordedRun expected = monolithic();
  expected.tokens.resize(options.generate);
  expected.logits.resize(options.generate);
  EXPECT_TRUE(run == expected);
}

// Which units a row reads follows from its query and the keys alone: whoever scores them, and whether they are here, there or
// on the way.
TEST(SelectionTest, GivesTheSameBitsWhereverTheUnitsLie) {
  const std::vector<TokenId> prompt = long_prompt(model(), kPromptTokens);
  const Layout five{"five", 5, {{1, 2}, {3, 4}, {5}}}, two{"two", 2, {{1, 2}}}, by_head{"by head", 3, {{1}, {2}, {3}}};
  RunOptions options;
  options.generate = quick ? 20 : 150;
  options.heads.selection.budget = 3 * 128 + 6 * 64;
  Metrics metrics;
  const RecordedRun expected = record(*make_cluster(model(), {"monolithic"}, metrics), prompt, options);
  EXPECT_EQ(expected.logits[0], monolithic().logits[0]) << "a row of the prompt reads all";
  EXPECT_NE(expected.logits[1], monolithic().logits[1]) << "the selection leaves nothing out";

  for (const Layout& layout : {five, two, by_head}) {
    const std::unique_ptr<cli::EmbeddedCluster> cluster = make_cluster(model(), layout, metrics);
    EXPECT_TRUE(record(*cluster, prompt, options) == expected) << layout.name;
    for (std::uint32_t layer = 0; layer < model().config().layers; ++layer)
      EXPECT_EQ(cluster->compute().remote_partials()[layer] > 0, !model().config().windowed(layer)) << layout.name;
    cluster->settle();
    EXPECT_EQ(cluster->store().used(), 0u) << "blocks were not given back";
  }
  RunOptions hasty = options;
  hasty.waits = false;
  EXPECT_TRUE(record(*make_cluster(model(), five, metrics), prompt, hasty) == expected) << "leaves on their way";
  RunOptions interrupted = options;
  interrupted.lost = NodeId{2};
  EXPECT_TRUE(record(*make_cluster(model(), two, metrics), prompt, interrupted) == expected) << "a lost node";
  RunOptions prefixed = options;
  prefixed.prefix_leaves = 13;
  prefixed.carrier_tokens = 13 * 128 + 100;  // it ends where the other one begins, with what a window sees
  EXPECT_TRUE(record(*make_cluster(model(), two, metrics), prompt, prefixed) == expected) << "a prefix";
  RunOptions among = options;
  among.mates = 3;
  EXPECT_TRUE(record(*make_cluster(model(), five, metrics), prompt, among) == expected) << "batch mates";
  const cli::LoadedModel other = load_or_die(model_name, 1, kernels::Isa::kAvx2);
  EXPECT_TRUE(record(*make_cluster(other, five, metrics), prompt, options) == expected) << "one thread with AVX2";
}

TEST(SelectionTest, ABudgetForEverythingIsFullAttention) {
  RunOptions options = default_run();
  options.generate = 20;
  options.heads.selection.budget = 4096;
  Metrics metrics;
  const RecordedRun run =
      record(*make_cluster(model(), {"two", 2, {{1, 2}}}, metrics), long_prompt(model(), kPromptTokens), options);
  RecordedRun expected = monolithic();
  expected.tokens.resize(options.generate);
  expected.logits.resize(options.generate);
  EXPECT_TRUE(run == expected);
}

// The portable kernels are a definition, not fast: a shorter prompt for them.
TEST(InstructionSetTest, EveryOneGivesTheSameBits) {
  struct Case {
    kernels::Isa isa;
    std::size_t tokens;
  };
  RunOptions options;
  options.generate = 4;
  Metrics metrics;
  for (const Case& one : {Case{kernels::Isa::kPortable, quick ? 20u : 200u},
                          Case{kernels::Isa::kAvx2, quick ? 150u : kPromptTokens}}) {
    ASSERT_TRUE(kernels::is_supported(one.isa));
    const std::vector<TokenId> prompt = long_prompt(model(), one.tokens);
    const RecordedRun best = record(*make_cluster(model(), {"monolithic"}, metrics), prompt, options);
    const cli::LoadedModel loaded = load_or_die(model_name, 2, one.isa);
    EXPECT_TRUE(record(*make_cluster(loaded, {"monolithic"}, metrics), prompt, options) == best)
        << kernels::to_string(one.isa) << " against " << kernels::to_string(kernels::detect_isa());
  }
}

}  // namespace
}  // namespace longshore::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1) longshore::test::model_name = argv[1];
  longshore::test::quick = argc > 2 && std::string(argv[2]) == "quick";
  std::cout << "model " << longshore::test::model_name << ", best instruction set "
            << longshore::kernels::to_string(longshore::kernels::detect_isa()) << "\n";
  return RUN_ALL_TESTS();
}
