#include "transport/wire/step_messages.h"

#include "runtime/base/check.h"
#include "transport/wire/error_field.h"
#include "transport/wire/frame.h"
#include "transport/wire/limits.h"
#include "transport/wire/reader.h"
#include "transport/wire/writer.h"

#include <limits>

namespace longshore::wire {
namespace {

// The least that one of each can take: what `count` holds an announced number against.
constexpr std::size_t kStartBytesMin = 109;
constexpr std::size_t kReleaseBytes = 8;
constexpr std::size_t kKeepBytes = 12;
constexpr std::size_t kEntryBytesMin = 30;
constexpr std::size_t kScoredBytesMin = 12;
constexpr std::size_t kLogprobBytes = 8;
constexpr std::size_t kOutcomeBytesMin = 22;
constexpr std::size_t kBiasBytes = 8;
constexpr std::size_t kHeadRuleBytes = 8;

void put_heads(Writer& writer, const HeadPlan& heads) {
  writer.count(heads.rules.size(), kHeadRulesMax);
  for (const HeadRule& rule : heads.rules) {
    writer.put(rule.sinks);
    writer.put(rule.window);
  }
  writer.put(heads.selection.budget);
}

HeadPlan get_heads(Reader& reader) {
  HeadPlan heads;
  const std::uint32_t rules = reader.count("head rules", kHeadRulesMax, kHeadRuleBytes);
  for (std::uint32_t i = 0; i < rules && !reader.bad(); ++i) {
    const auto sinks = reader.in_range<std::uint32_t>("sinks", 0, kLeafTokens);
    heads.rules.push_back({sinks, reader.get<std::uint32_t>("window")});
  }
  heads.selection.budget = reader.get<std::uint32_t>("budget");
  return heads;
}

void put_sampling(Writer& writer, const SamplingParams& sampling) {
  writer.put(sampling.temperature);
  writer.put(sampling.top_p);
  writer.put(sampling.min_p);
  writer.put(sampling.top_k);
  writer.put(sampling.presence_penalty);
  writer.put(sampling.frequency_penalty);
  writer.put(sampling.repetition_penalty);
  writer.put(sampling.seed);
  writer.put(sampling.choice);
  writer.put(sampling.top_logprobs);
  writer.flag(sampling.report_logprobs);
  writer.flag(sampling.ignore_eos);
  writer.put(sampling.min_tokens);
  writer.count(sampling.logit_bias.size(), kLogitBiasMax);
  for (const auto& [token, bias] : sampling.logit_bias) {
    writer.put(token);
    writer.put(bias);
  }
  writer.count(sampling.end_tokens.size(), kEndTokensMax);
  for (const TokenId token : sampling.end_tokens) writer.put(token);
}

SamplingParams get_sampling(Reader& reader) {
  SamplingParams sampling;
  sampling.temperature = reader.get<float>("temperature");
  sampling.top_p = reader.get<float>("top_p");
  sampling.min_p = reader.get<float>("min_p");
  sampling.top_k = reader.get<std::uint32_t>("top_k");
  sampling.presence_penalty = reader.get<float>("presence_penalty");
  sampling.frequency_penalty = reader.get<float>("frequency_penalty");
  sampling.repetition_penalty = reader.get<float>("repetition_penalty");
  sampling.seed = reader.get<std::uint64_t>("seed");
  sampling.choice = reader.get<std::uint32_t>("choice");
  sampling.top_logprobs = reader.in_range<std::uint32_t>("top_logprobs", 0, kTopLogprobsMax);
  sampling.report_logprobs = reader.flag("report_logprobs");
  sampling.ignore_eos = reader.flag("ignore_eos");
  sampling.min_tokens = reader.get<std::uint32_t>("min_tokens");
  const std::uint32_t biases = reader.count("logit_bias", kLogitBiasMax, kBiasBytes);
  for (std::uint32_t i = 0; i < biases && !reader.bad(); ++i) {
    const auto token = reader.get<TokenId>("token of logit_bias");
    sampling.logit_bias.emplace_back(token, reader.get<float>("logit_bias"));
  }
  const std::uint32_t ends = reader.count("end_tokens", kEndTokensMax, sizeof(TokenId));
  for (std::uint32_t i = 0; i < ends && !reader.bad(); ++i)
    sampling.end_tokens.push_back(reader.get<TokenId>("end_token"));
  if (reader.bad()) return {};
  if (Result<void> legal = validate(sampling); !legal) reader.refuse(legal.error());
  return sampling;
}

StepEntry get_entry(Reader& reader, std::uint64_t& tokens_total) {
  StepEntry entry;
  entry.sequence.value = reader.get<std::uint64_t>("sequence");
  entry.epoch.value = reader.get<std::uint32_t>("epoch");
  entry.position = reader.get<std::uint32_t>("position");
  entry.sample = reader.flag("sample");
  entry.draw = reader.get<std::uint32_t>("draw");
  entry.score = reader.flag("score");
  entry.next_token = reader.in_range<TokenId>("next_token", -1, std::numeric_limits<TokenId>::max());
  const std::uint32_t tokens = reader.count("tokens", kStepTokensMax, sizeof(TokenId));
  tokens_total += tokens;
  if (tokens == 0 || tokens_total > kStepTokensMax || entry.position > 0xffffffffu - tokens)
    reader.refuse(make_error(ErrorCode::kInvalidArgument, "StepBatch: entry at position ", entry.position,
                             " has ", tokens, " tokens; a batch may have 1 to ", kStepTokensMax, " in all"));
  const std::span<const std::byte> bytes = reader.view("tokens", std::size_t{tokens} * sizeof(TokenId));
  entry.tokens.resize(bytes.size() / sizeof(TokenId));
  if (!bytes.empty()) std::memcpy(entry.tokens.data(), bytes.data(), bytes.size());
  for (const TokenId token : entry.tokens)
    if (token < 0)
      reader.refuse(make_error(ErrorCode::kInvalidArgument, "StepBatch: token ", token, " is negative"));
  return entry;
}

void put_scored(Writer& writer, const ScoredToken& scored) {
  writer.put(scored.token);
  writer.put(scored.logprob);
  writer.count(scored.top.size(), kTopLogprobsMax);
  for (const TokenLogprob& top : scored.top) {
    writer.put(top.token);
    writer.put(top.logprob);
  }
}

ScoredToken get_scored(Reader& reader) {
  ScoredToken scored;
  scored.token = reader.get<TokenId>("token");
  scored.logprob = reader.get<float>("logprob");
  const std::uint32_t top = reader.count("top", kTopLogprobsMax, kLogprobBytes);
  for (std::uint32_t i = 0; i < top && !reader.bad(); ++i) {
    TokenLogprob other;
    other.token = reader.get<TokenId>("top token");
    other.logprob = reader.get<float>("top logprob");
    scored.top.push_back(other);
  }
  return scored;
}

EntryOutcome get_outcome(Reader& reader) {
  EntryOutcome outcome;
  outcome.sequence.value = reader.get<std::uint64_t>("sequence");
  outcome.epoch.value = reader.get<std::uint32_t>("epoch");
  outcome.error = get_error(reader, "error");
  outcome.position_lost = reader.get<std::uint32_t>("position_lost");
  if (reader.flag("has sampled")) outcome.sampled = get_scored(reader);
  const std::uint32_t scores = reader.count("scores", kStepTokensMax, kScoredBytesMin);
  outcome.scores.reserve(scores);
  for (std::uint32_t i = 0; i < scores && !reader.bad(); ++i) outcome.scores.push_back(get_scored(reader));
  return outcome;
}

}  // namespace

transport::Message encode(const StepBatch& batch, transport::MessagePool& pool) {
  Writer writer(pool);
  writer.count(batch.starts.size(), kStepEntriesMax);
  for (const SequenceStart& start : batch.starts) {
    writer.put(start.sequence.value);
    writer.put(start.epoch.value);
    writer.put(start.prompt_tokens);
    writer.put(start.tokens_expected);
    const SequenceStart::Prefix prefix = start.prefix.value_or(SequenceStart::Prefix{});
    writer.put(prefix.leaves);  // 0: none
    writer.put(prefix.carrier.value);
    writer.put(prefix.epoch.value);
    writer.flag(start.asks_every_holder);
    put_heads(writer, start.heads);
    put_sampling(writer, start.sampling);
  }
  writer.count(batch.releases.size(), kStepEntriesMax);
  for (const SequenceId sequence : batch.releases) writer.put(sequence.value);
  writer.count(batch.keeps.size(), kStepEntriesMax);
  for (const SequenceKeep& keep : batch.keeps) {
    writer.put(keep.sequence.value);
    writer.put(keep.leaves);
  }
  writer.count(batch.entries.size(), kStepEntriesMax);
  for (const StepEntry& entry : batch.entries) {
    writer.put(entry.sequence.value);
    writer.put(entry.epoch.value);
    writer.put(entry.position);
    writer.flag(entry.sample);
    writer.put(entry.draw);
    writer.flag(entry.score);
    writer.put(entry.next_token);
    writer.count(entry.tokens.size(), kStepTokensMax);
    writer.bytes(
        {reinterpret_cast<const std::uint8_t*>(entry.tokens.data()), entry.tokens.size() * sizeof(TokenId)});
  }
  FrameHeader header;
  header.kind = MessageKind::kStepBatch;
  header.generation = batch.generation;
  header.step = batch.id;
  return writer.finish(header);
}

Result<StepBatch> decode_step_batch(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, MessageKind::kStepBatch);
  if (!header) return header.error();
  Reader reader("StepBatch", frame.subspan(kFrameHeaderBytes));
  StepBatch batch;
  batch.id = header->step;
  batch.generation = header->generation;
  const std::uint32_t starts = reader.count("starts", kStepEntriesMax, kStartBytesMin);
  for (std::uint32_t i = 0; i < starts && !reader.bad(); ++i) {
    SequenceStart start;
    start.sequence.value = reader.get<std::uint64_t>("sequence");
    start.epoch.value = reader.get<std::uint32_t>("epoch");
    start.prompt_tokens = reader.get<std::uint32_t>("prompt_tokens");
    start.tokens_expected = reader.get<std::uint64_t>("tokens_expected");
    SequenceStart::Prefix prefix;
    prefix.leaves = reader.in_range<std::uint32_t>("prefix leaves", 0, kPrefixLeavesMax);
    prefix.carrier.value = reader.get<std::uint64_t>("prefix carrier");
    prefix.epoch.value = reader.get<std::uint32_t>("prefix epoch");
    if (prefix.leaves > 0) start.prefix = prefix;
    start.asks_every_holder = reader.flag("asks_every_holder");
    start.heads = get_heads(reader);
    start.sampling = get_sampling(reader);
    batch.starts.push_back(std::move(start));
  }
  const std::uint32_t releases = reader.count("releases", kStepEntriesMax, kReleaseBytes);
  for (std::uint32_t i = 0; i < releases && !reader.bad(); ++i)
    batch.releases.push_back(SequenceId{reader.get<std::uint64_t>("release")});
  const std::uint32_t keeps = reader.count("keeps", kStepEntriesMax, kKeepBytes);
  for (std::uint32_t i = 0; i < keeps && !reader.bad(); ++i) {
    SequenceKeep keep;
    keep.sequence.value = reader.get<std::uint64_t>("keep");
    keep.leaves = reader.in_range<std::uint32_t>("leaves of keep", 1, kPrefixLeavesMax);
    batch.keeps.push_back(keep);
  }
  const std::uint32_t entries = reader.count("entries", kStepEntriesMax, kEntryBytesMin);
  std::uint64_t tokens_total = 0;
  for (std::uint32_t i = 0; i < entries && !reader.bad(); ++i)
    batch.entries.push_back(get_entry(reader, tokens_total));
  if (Result<void> end = reader.finish(); !end) return end.error();
  return batch;
}

transport::Message encode(const StepOutcome& outcome,
                          PlanGeneration generation,
                          transport::MessagePool& pool) {
  Writer writer(pool);
  const StepTiming& timing = outcome.timing;
  for (const double seconds : {timing.total, timing.compute, timing.attention, timing.wait, timing.merge,
                               timing.transport, timing.sample})
    writer.put(seconds);
  writer.put(outcome.kv_leaves_used);
  writer.count(outcome.entries.size(), kStepEntriesMax);
  for (const EntryOutcome& entry : outcome.entries) {
    writer.put(entry.sequence.value);
    writer.put(entry.epoch.value);
    put_error(writer, entry.error);
    writer.put(entry.position_lost);
    writer.flag(entry.sampled.has_value());
    if (entry.sampled) put_scored(writer, *entry.sampled);
    writer.count(entry.scores.size(), kStepTokensMax);
    for (const ScoredToken& scored : entry.scores) put_scored(writer, scored);
  }
  FrameHeader header;
  header.kind = MessageKind::kStepOutcome;
  header.generation = generation;
  header.step = outcome.id;
  return writer.finish(header);
}

Result<StepOutcome> decode_step_outcome(std::span<const std::byte> frame) {
  const Result<FrameHeader> header = open_frame(frame, MessageKind::kStepOutcome);
  if (!header) return header.error();
  Reader reader("StepOutcome", frame.subspan(kFrameHeaderBytes));
  StepOutcome outcome;
  outcome.id = header->step;
  StepTiming& timing = outcome.timing;
  for (double* seconds : {&timing.total, &timing.compute, &timing.attention, &timing.wait, &timing.merge,
                          &timing.transport, &timing.sample})
    *seconds = reader.get<double>("timing");
  outcome.kv_leaves_used = reader.get<std::uint64_t>("kv_leaves_used");
  const std::uint32_t entries = reader.count("entries", kStepEntriesMax, kOutcomeBytesMin);
  for (std::uint32_t i = 0; i < entries && !reader.bad(); ++i) outcome.entries.push_back(get_outcome(reader));
  if (Result<void> end = reader.finish(); !end) return end.error();
  return outcome;
}

}  // namespace longshore::wire
