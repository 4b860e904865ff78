#include "cli/eval/answering.h"

#include <algorithm>
#include <utility>

#include "runtime/text/incremental_text.h"

namespace longshore::cli::eval {

Result<SampleResult> Answering::run(Task task, std::uint32_t index, const Prompt& prompt) {
  SampleResult result;
  result.task = task;
  result.index = index;
  result.prompt_tokens = static_cast<std::uint32_t>(prompt.tokens.size());
  result.depth = prompt.depth;
  result.answer_position = prompt.answer_position;
  Result<RunResult> dense = answer(task, prompt, {});
  if (!dense) return dense.error();
  result.dense = std::move(*dense);
  for (const EvaluatedPreset& preset : presets_) {
    Result<RunResult> run = answer(task, prompt, preset.heads);
    if (!run) return run.error();
    result.presets.push_back(std::move(*run));
  }
  return result;
}

Result<RunResult> Answering::answer(Task task, const Prompt& prompt, const HeadPlan& heads) {
  const Result<std::vector<TokenId>> tokens = generate(prompt, heads);
  if (!tokens) return tokens.error();
  RunResult run;
  text::IncrementalText text;  // what a model says need not be valid UTF-8, what is stored must be
  run.answer = text.append(tokenizer_.decode(*tokens, {.render_control = true, .strip_space_prefix = false}));
  run.answer += text.flush();
  run.grade = grade(task, prompt, *tokens, run.answer);
  const auto first = static_cast<std::uint32_t>(prompt.tokens.size()) - 1;  // the row that the first token was drawn from
  run.positions = positions_read(steps_.node().config(), heads, first + 1, first, first + prompt.generate_max);
  return run;
}

Result<std::vector<TokenId>> Answering::generate(const Prompt& prompt, const HeadPlan& heads) {
  const auto prompt_tokens = static_cast<std::uint32_t>(prompt.tokens.size());
  const SequenceId sequence = steps_.start(heads, prompt_tokens, prompt_tokens + prompt.generate_max);
  std::vector<TokenId> answer;
  std::uint32_t position = 0;
  std::vector<TokenId> run(prompt.tokens.begin(), prompt.tokens.begin() + std::min(chunk_, prompt_tokens));
  while (answer.size() < prompt.generate_max) {
    StepEntry entry;
    entry.sequence = sequence;
    entry.position = position;
    position += static_cast<std::uint32_t>(run.size());
    entry.tokens = std::move(run);
    entry.sample = position >= prompt_tokens;
    entry.draw = static_cast<std::uint32_t>(answer.size());
    const Result<EntryOutcome> outcome = steps_.step(std::move(entry));
    if (!outcome) return outcome.error();
    if (outcome->sampled) {
      const TokenId token = outcome->sampled->token;
      if (tokenizer_.is_end(token)) break;
      answer.push_back(token);
      run.assign(1, token);
    } else {
      const auto begin = prompt.tokens.begin() + position;
      run.assign(begin, begin + std::min(chunk_, prompt_tokens - position));
    }
  }
  steps_.end(sequence);
  return answer;
}

}  // namespace longshore::cli::eval
