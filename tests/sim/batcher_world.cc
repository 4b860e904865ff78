#include "tests/sim/batcher_world.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "tests/sim/checkers/budget_checker.h"
#include "tests/sim/checkers/epoch_checker.h"
#include "tests/sim/checkers/memory_checker.h"
#include "tests/sim/checkers/position_checker.h"
#include "tests/sim/checkers/progress_checker.h"
#include "tests/sim/checkers/stream_checker.h"

namespace longshore::sim {
namespace {

// Without faults each step advances the oldest by a row at least: 24 requests of 1,300 rows, run again now and then.
constexpr std::uint64_t kStepsMax = 100'000;

template <typename T, std::size_t N>
T one_of(Random& random, const std::array<T, N>& choices) {
  return choices[random.below(N)];
}

}  // namespace

std::vector<std::unique_ptr<BatcherChecker>> all_batcher_checkers() {
  std::vector<std::unique_ptr<BatcherChecker>> all;
  all.push_back(std::make_unique<BudgetChecker>());
  all.push_back(std::make_unique<EpochChecker>());
  all.push_back(std::make_unique<MemoryChecker>());
  all.push_back(std::make_unique<PositionChecker>());
  all.push_back(std::make_unique<ProgressChecker>());
  all.push_back(std::make_unique<StreamChecker>());
  return all;
}

BatcherScenario BatcherScenario::draw(std::uint64_t seed) {
  Random random(seed, 1);
  BatcherScenario s;
  s.options.max_sequences = 1 + static_cast<std::uint32_t>(random.below(12));
  s.options.chunk_tokens = one_of<std::uint32_t>(random, std::array<std::uint32_t, 6>{1, 2, 7, 32, 128, 512});
  s.options.queue_sequences_max = 2 + static_cast<std::uint32_t>(random.below(20));
  s.options.context_tokens = 2048;
  s.options.vocabulary_tokens = kVocabulary;
  s.options.kv_leaves = 2 + random.below(one_of<std::uint64_t>(random, std::array<std::uint64_t, 3>{4, 16, 64}));
  s.options.recomputes_max = 1000;
  s.options.prefix_cache = random.below(4) != 0;
  s.options.prefixes_end_whole = random.below(4) == 0;
  s.requests = 1 + static_cast<std::uint32_t>(random.below(24));
  s.prompt_tokens_max = one_of<std::uint32_t>(random, std::array<std::uint32_t, 4>{1, 30, 300, 900});
  s.output_tokens_max = one_of<std::uint32_t>(random, std::array<std::uint32_t, 4>{1, 10, 150, 400});
  s.arrival = one_of(random, std::array{0.02, 0.2, 1.0});
  s.options.decode_share = one_of(random, std::array{0.0, 0.5, 0.9});
  // A third of the runs without faults; rates so that most sequences live through some.
  if (random.below(3) != 0) {
    s.cancel = one_of(random, std::array{0.0, 0.005, 0.1});
    s.node_loss = one_of(random, std::array{0.0, 0.002, 0.01});
    s.room_change = one_of(random, std::array{0.0, 0.0, 0.02});
    s.faults.data_loss = one_of(random, std::array{0.0, 0.002, 0.01});
    s.faults.aborted = one_of(random, std::array{0.0, 0.002});
    s.faults.internal = one_of(random, std::array{0.0, 0.0, 0.002});
  }
  return s;
}

BatcherWorld::BatcherWorld(std::uint64_t seed)
    : scenario_(BatcherScenario::draw(seed)),
      random_(seed, 2),
      batcher_(scenario_.options),
      checkers_(all_batcher_checkers()),
      requests_left_(scenario_.requests) {}

std::vector<std::string> BatcherWorld::run() {
  std::vector<std::string> found;
  const auto collect = [&] {
    for (const auto& checker : checkers_) found.insert(found.end(), checker->violations().begin(), checker->violations().end());
    return !found.empty();
  };
  while (steps_ < kStepsMax && (requests_left_ > 0 || !batcher_.is_idle())) {
    clients_act();
    step();
    if (collect()) break;
  }
  if (found.empty()) {
    for (const auto& checker : checkers_) checker->at_end(*this);
    collect();
  }
  if (!found.empty()) found.insert(found.begin(), notes_.begin(), notes_.end());
  return found;
}

void BatcherWorld::clients_act() {
  if (requests_left_ > 0 && random_.uniform() < scenario_.arrival) submit();
  if (!alive_.empty() && random_.uniform() < scenario_.cancel) {
    auto chosen = alive_.begin();
    std::advance(chosen, static_cast<long>(random_.below(alive_.size())));
    note("cancel ", chosen->value);
    batcher_.cancel(*chosen);
    alive_.erase(chosen);
    ++cancels_;
  }
}

void BatcherWorld::submit() {
  batching::SequenceRequest request;
  const std::uint64_t prompt_tokens = 1 + random_.below(scenario_.prompt_tokens_max);
  // Half of the prompts begin as another one did, many as the last one, which may still run.
  if (!accepted_.empty() && random_.below(2) == 0) {
    auto other = accepted_.begin();
    std::advance(other, static_cast<long>(random_.below(2) == 0 ? accepted_.size() - 1 : random_.below(accepted_.size())));
    const std::vector<TokenId>& prompt = other->second.prompt;
    const std::size_t shared = random_.below(2) == 0 ? prompt.size() : random_.below(prompt.size() + 1);
    request.prompt.assign(prompt.begin(), prompt.begin() + static_cast<long>(shared));
    request.prompt.resize(std::min<std::size_t>(request.prompt.size(), prompt_tokens));
  }
  if (random_.below(8) == 0) request.cache_salt = "another tenant";
  while (request.prompt.size() < prompt_tokens)
    request.prompt.push_back(static_cast<TokenId>(random_.below(kVocabulary)));
  request.max_tokens = static_cast<std::uint32_t>(random_.below(scenario_.output_tokens_max + 1));
  request.score_prompt = random_.below(3) == 0;
  request.sampling.seed = random_();
  request.sampling.ignore_eos = random_.below(4) == 0;
  request.sampling.min_tokens = static_cast<std::uint32_t>(random_.below(20));
  if (random_.below(2) == 0) request.sampling.end_tokens = {static_cast<TokenId>(random_.below(kVocabulary))};
  const SequenceId id{last_id_ + 1};
  const auto added = batcher_.add(id, request);
  if (added) {
    note("add ", id.value, ": ", prompt_tokens, " + ", request.max_tokens);
    last_id_ = id.value;
    alive_.insert(id);
    accepted_.emplace(id, std::move(request));
  }
  // A full queue is tried again; what can never fit is not.
  if (added || !batcher_.load().waiting || added.error().message.find("may wait") == std::string::npos) --requests_left_;
}

void BatcherWorld::step() {
  if (steps_ == scenario_.faults_end_step) scenario_.node_loss = scenario_.room_change = 0, scenario_.faults = {};
  if (random_.uniform() < scenario_.room_change) {
    scenario_.options.kv_leaves = 1 + random_.below(64);
    note("room ", scenario_.options.kv_leaves);
    batcher_.set_kv_leaves(scenario_.options.kv_leaves);
  }
  std::vector<batching::SequenceEvent> events;
  const auto batch = batcher_.next_batch(events);
  take(events);
  if (!batch) {
    if (!alive_.empty()) note("no batch though sequences live");
    return;
  }
  ++steps_;
  std::ostringstream text;
  for (const auto& start : batch->starts) {
    text << " start " << start.sequence.value << "/" << start.epoch.value;
    if (start.prefix) text << " behind " << start.prefix->leaves << " of " << start.prefix->carrier.value;
  }
  for (const auto released : batch->releases) text << " release " << released.value;
  for (const auto& keep : batch->keeps) text << " keep " << keep.leaves << " of " << keep.sequence.value;
  for (const auto& entry : batch->entries)
    text << " " << entry.sequence.value << "@" << entry.position << "+" << entry.tokens.size();
  note("step ", batch->id.value, text.str());
  for (const auto& checker : checkers_) checker->on_batch(*this, *batch);

  clients_act();  // while the step runs
  if (random_.uniform() < scenario_.node_loss) {
    note("node lost");
    ++node_losses_;
    node_.crash();
    for (const auto& checker : checkers_) checker->on_node_lost(*this);
    const auto seen = random_.below(2) == 0 ? batching::BatchSeen::kYes : batching::BatchSeen::kNo;
    take(batcher_.on_node_lost({ErrorCode::kUnavailable, "node lost"}, seen));
    return;
  }
  for (const SequenceStart& start : batch->starts)
    if (start.prefix)
      if (const auto carrier = node_.held().find(start.prefix->carrier); carrier != node_.held().end())
        shared_while_running_ += carrier->second.is_kept ? 0 : 1;
  const StepOutcome outcome = node_.run(*batch, scenario_.faults, random_);
  for (const auto& checker : checkers_) checker->on_computed(*this, *batch, outcome);
  take(batcher_.on_outcome(outcome));
}

void BatcherWorld::take(const std::vector<batching::SequenceEvent>& events) {
  for (const batching::SequenceEvent& event : events) {
    for (const auto& checker : checkers_) checker->on_event(*this, event);
    if (event.finish || event.error) {
      note("end ", event.sequence.value, " ", event.error ? event.error->to_string() : "");
      alive_.erase(event.sequence);
    }
  }
}

}  // namespace longshore::sim
