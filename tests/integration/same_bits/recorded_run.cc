#include "tests/integration/same_bits/recorded_run.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "runtime/base/check.h"
#include "runtime/plan/leaf.h"

namespace longshore::test {
namespace {

constexpr SequenceId kMeasured{1};

// Other sequences that share steps with the measured one: each lives for some steps, then makes room for the next.
class Mates {
 public:
  Mates(std::uint32_t count, const std::vector<TokenId>& text) : count_(count), text_(text) {}

  void add_to(StepBatch& batch) {
    ++steps_;
    for (std::uint32_t m = 0; m < count_; ++m) {
      Mate& mate = mates_[m];
      if (mate.position > 40 + 13 * m) {
        batch.releases.push_back(mate.id);
        mate = Mate{};
      } else if (mate.id.value == 0 && steps_ % (m + 2) == 0) {
        mate.id = SequenceId{++last_id_};
        SequenceStart start;
        start.sequence = mate.id;
        start.prompt_tokens = 20;
        start.tokens_expected = 100;
        batch.starts.push_back(start);
      }
      if (mate.id.value == 0 || !batch.releases.empty()) continue;
      StepEntry entry;
      entry.sequence = mate.id;
      entry.position = mate.position;
      const std::uint32_t run = mate.position < 20 ? 3 + m : 1;
      for (std::uint32_t t = 0; t < run; ++t) entry.tokens.push_back(text_[(7 * m + mate.position + t) % text_.size()]);
      mate.position += run;
      batch.entries.insert(m % 2 == 0 ? batch.entries.begin() : batch.entries.end(), entry);
    }
  }

 private:
  struct Mate {
    SequenceId id;
    std::uint32_t position = 0;
  };
  std::uint32_t count_;
  const std::vector<TokenId>& text_;
  std::uint64_t last_id_ = 1000;
  std::uint32_t steps_ = 0;
  std::map<std::uint32_t, Mate> mates_;
};

void wait_for_holders(compute::ComputeNode& node) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
  for (node.poll(); node.open_offers() > 0; node.poll()) {
    CHECK(std::chrono::steady_clock::now() < deadline) << node.open_offers() << " offers were never answered";
    std::this_thread::yield();
  }
}

}  // namespace

namespace {

void lose_holder(compute::ComputeNode& node, NodeId lost) {
  PlacementPlan survivors = node.plan();
  ++survivors.generation.value;
  for (std::vector<NodeId>& holders : survivors.holders) std::erase(holders, lost);
  node.lose(lost);
  const Result<void> set = node.set_plan(std::make_shared<PlacementPlan>(survivors));
  CHECK(set) << set.error().message;
}

// Runs a sequence and ends it, keeping its full leaves. All but its first token count as decoded, so that whatever its
// holders have acknowledged is nowhere else. `from`: what it begins with, and how much of that.
SequenceStart::Prefix leave_behind(compute::ComputeNode& node, StepId& step, SequenceId id, const std::vector<TokenId>& tokens,
                                   const HeadPlan& heads, std::optional<SequenceStart::Prefix> from) {
  StepBatch batch;
  SequenceStart start;
  start.sequence = id;
  start.prompt_tokens = 1;
  start.tokens_expected = tokens.size();
  start.heads = heads;
  start.prefix = from;
  batch.starts.push_back(start);
  for (std::size_t done = from ? std::size_t{from->leaves} * kLeafTokens : 0; done < tokens.size();) {
    const std::size_t end = std::min<std::size_t>(tokens.size(), done + 100);
    StepEntry entry;
    entry.sequence = id;
    entry.position = static_cast<std::uint32_t>(done);
    entry.tokens.assign(tokens.begin() + static_cast<std::ptrdiff_t>(done), tokens.begin() + static_cast<std::ptrdiff_t>(end));
    batch.entries = {entry};
    batch.id = StepId{++step.value};
    const StepOutcome outcome = node.execute(batch);
    CHECK(!outcome.entries[0].error) << outcome.entries[0].error->to_string();
    batch.starts.clear();
    done = end;
    wait_for_holders(node);
  }
  const auto leaves = static_cast<std::uint32_t>(tokens.size() / kLeafTokens);
  batch.entries.clear();
  batch.keeps.push_back({id, leaves});
  if (from) batch.releases.push_back(from->carrier);
  batch.id = StepId{++step.value};
  node.execute(batch);
  return {id, start.epoch, leaves};
}

// What the measured sequence begins with (RunOptions).
SequenceStart::Prefix make_prefix(compute::ComputeNode& node, StepId& step, const std::vector<TokenId>& prompt,
                                  const RunOptions& options) {
  const auto tokens = [&](std::size_t common, std::size_t count) {
    std::vector<TokenId> all(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(common));
    for (std::size_t t = common; t < count; ++t) all.push_back(prompt[prompt.size() - 1 - t % prompt.size()]);
    return all;
  };
  HeadPlan heads = options.heads;
  heads.selection = {};  // what rows of a selection wrote has other names, and nobody would begin with it
  std::optional<SequenceStart::Prefix> half;
  if (options.prefix_leaves > 1) {
    const std::size_t common = options.prefix_leaves / 2 * kLeafTokens;
    half = leave_behind(node, step, SequenceId{500}, tokens(common, common + 50), heads, std::nullopt);
  }
  SequenceStart::Prefix prefix =
      leave_behind(node, step, SequenceId{501}, tokens(std::size_t{options.prefix_leaves} * kLeafTokens, options.carrier_tokens),
                   heads, half);
  CHECK(prefix.leaves >= options.prefix_leaves);
  prefix.leaves = options.prefix_leaves;
  return prefix;
}

SequenceStart measured_start(std::size_t prompt_tokens, const RunOptions& options) {
  SequenceStart start;
  start.sequence = kMeasured;
  start.prompt_tokens = static_cast<std::uint32_t>(prompt_tokens);
  start.tokens_expected = prompt_tokens + options.generate;
  start.heads = options.heads;
  start.sampling.temperature = 0;
  return start;
}

}  // namespace

RecordedRun record(cli::EmbeddedCluster& cluster, const std::vector<TokenId>& prompt, const RunOptions& options) {
  compute::ComputeNode& node = cluster.compute();
  RecordedRun run;
  node.observe_logits([&](SequenceId sequence, std::uint32_t, std::span<const float> logits) {
    if (sequence == kMeasured) run.logits.push_back(sha256(std::as_bytes(logits)));
  });
  Mates mates(options.mates, prompt);
  std::vector<TokenId> known = prompt;  // and what was drawn
  StepBatch batch;
  batch.starts.push_back(measured_start(prompt.size(), options));
  if (options.prefix_leaves > 0) batch.starts.front().prefix = make_prefix(node, batch.id, prompt, options);
  bool is_whole = true;
  SequenceEpoch epoch = batch.starts.front().epoch;
  for (std::size_t done = std::size_t{options.prefix_leaves} * kLeafTokens; run.tokens.size() < options.generate;) {
    if (done == prompt.size() && options.waits) wait_for_holders(node);
    if (options.lost && is_whole && run.tokens.size() == options.generate / 2) {
      lose_holder(node, *options.lost);
      is_whole = false;
    }
    const std::size_t end = std::min<std::size_t>(known.size(), done + options.chunk);
    StepEntry entry;
    entry.sequence = kMeasured;
    entry.epoch = epoch;
    entry.position = static_cast<std::uint32_t>(done);
    entry.tokens.assign(known.begin() + static_cast<std::ptrdiff_t>(done), known.begin() + static_cast<std::ptrdiff_t>(end));
    entry.sample = end == known.size();
    batch.entries = {entry};
    mates.add_to(batch);
    ++batch.id.value;
    const StepOutcome outcome = node.execute(batch);
    if (!batch.starts.empty()) run.remote_prefix = node.released_end(kMeasured) - 1;
    run.kv_leaves = outcome.kv_leaves_used;
    batch.starts.clear();
    batch.releases.clear();
    done = end;
    for (const EntryOutcome& of_entry : outcome.entries) {
      if (of_entry.error && of_entry.error->code == ErrorCode::kDataLoss && !is_whole && run.rows_again == 0) {
        run.rows_again = entry.position;
        done = 0;
        ++epoch.value;
        batch.starts.push_back(measured_start(prompt.size(), options));
        batch.starts.front().epoch = epoch;
        continue;
      }
      CHECK(!of_entry.error) << of_entry.error->to_string();
      if (of_entry.sequence != kMeasured || !of_entry.sampled) continue;
      run.tokens.push_back(of_entry.sampled->token);
      known.push_back(run.tokens.back());
    }
  }
  node.observe_logits({});
  StepBatch end;
  end.releases = {kMeasured};
  if (options.prefix_leaves > 0) end.releases.push_back(SequenceId{501});
  end.id = StepId{batch.id.value + 1};
  node.execute(end);
  return run;
}

std::vector<TokenId> long_prompt(const cli::LoadedModel& model, std::size_t tokens) {
  std::ifstream file("deploy/quickstart-text.txt");
  CHECK(file.good()) << "run the test in the repository's root";
  std::stringstream text;
  text << file.rdbuf();
  const Result<std::vector<TokenId>> once = model.tokenizer->encode(text.str());
  CHECK(once && !once->empty());
  std::vector<TokenId> prompt;
  while (prompt.size() < tokens) prompt.insert(prompt.end(), once->begin(), once->end());
  prompt.resize(tokens);
  return prompt;
}

cli::LoadedModel load_or_die(const std::string& name, unsigned threads, kernels::Isa isa) {
  Result<cli::LoadedModel> model = cli::load_model(name, threads, isa);
  if (!model) {
    std::fprintf(stderr, "%s\n", model.error().message.c_str());
    std::exit(1);
  }
  return std::move(*model);
}

}  // namespace longshore::test
