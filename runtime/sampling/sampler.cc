#include "runtime/sampling/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "runtime/base/random.h"
#include "runtime/kernels/elementary.h"

namespace longshore::sampling {
namespace {

constexpr float kFloatMax = std::numeric_limits<float>::max();
constexpr float kExcluded = -std::numeric_limits<float>::infinity();
constexpr double kWeightUnits = 0x1p38;  // of the heaviest token: 2^24 tokens sum to less than 2^63

// Weights in [1, 2^38] by their leading eight bits, which grow with the weight.
constexpr std::size_t bucket_of(std::uint64_t weight) {
  return (std::bit_cast<std::uint32_t>(static_cast<float>(weight)) - 0x3f800000u) >> 16;
}
// floor(u * total), exactly, for u in [0, 1) with 53 bits.
std::uint64_t share_of(std::uint64_t total, double u) {
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(u * 0x1p53) * total) >> 53);
}

constexpr std::size_t kBuckets = bucket_of(std::uint64_t{1} << 38) + 1;

Result<void> check_logits(std::span<const float> logits) {
  bool usable = !logits.empty();
  for (float logit : logits) usable &= logit <= kFloatMax;  // false for NaN and +inf; no early exit, so it vectorises
  if (usable) return {};
  if (logits.empty()) return make_error(ErrorCode::kInternal, "there are no logits to draw from");
  const auto bad = std::find_if(logits.begin(), logits.end(), [](float logit) { return !(logit <= kFloatMax); });
  return make_error(ErrorCode::kInternal, "the logit of token ", bad - logits.begin(), " is ", *bad,
                    "; the model or its arithmetic is broken");
}

Result<void> check_token(TokenId token, std::size_t vocabulary, std::string_view what) {
  if (token >= 0 && static_cast<std::size_t>(token) < vocabulary) return {};
  return make_error(ErrorCode::kInvalidArgument, what, " ", token, " is not in the vocabulary of ", vocabulary, " tokens");
}

// By falling logit, ties to the lower id.
std::vector<TokenId> most_probable(std::span<const float> logits, std::size_t count) {
  std::vector<TokenId> best;
  count = std::min(count, logits.size());
  if (count == 0) return best;
  const auto above = [&](TokenId a, TokenId b) { return logits[a] > logits[b]; };
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    if (best.size() == count) {
      if (!above(token, best.back())) continue;
      best.pop_back();
    }
    best.insert(std::upper_bound(best.begin(), best.end(), token, above), token);
  }
  return best;
}

// ln of the softmax of some logits, for any of its tokens.
class Logprobs {
 public:
  Logprobs(const kernels::RowKernels& kernels, std::span<const float> logits, std::vector<float>& scratch)
      : logits_(logits), max_(kernels.maximum(logits.data(), logits.size())) {
    scratch.resize(logits.size());
    kernels.exp_below(logits.data(), static_cast<float>(max_), 1.0f, scratch.data(), logits.size());
    double sum = 0;
    for (float weight : scratch) sum += weight;
    log_sum_ = elementary::log(sum);
  }

  ScoredToken of(TokenId token, std::size_t top) const {
    ScoredToken scored{token, logprob(token), {}};
    for (TokenId other : most_probable(logits_, top)) scored.top.push_back({other, logprob(other)});
    return scored;
  }

 private:
  float logprob(TokenId token) const { return static_cast<float>((logits_[token] - max_) - log_sum_); }

  std::span<const float> logits_;
  double max_;
  double log_sum_ = 0;
};

}  // namespace

void TokenHistory::add_prompt(std::span<const TokenId> tokens) {
  for (TokenId token : tokens) tokens_[token].in_prompt = true;
}

void TokenHistory::add_output(TokenId token) { ++tokens_[token].in_output; }

bool uses_history(const SamplingParams& params) {
  return params.presence_penalty != 0 || params.frequency_penalty != 0 || params.repetition_penalty != 1;
}

Result<ScoredToken> Sampler::sample(std::span<const float> logits, const SamplingParams& params,
                                    const TokenHistory& history, std::uint64_t index) {
  if (auto ok = check_logits(logits); !ok) return ok.error();
  adjusted_.assign(logits.begin(), logits.end());
  if (auto ok = adjust(params, history, index); !ok) return ok.error();
  const float max = kernels_.maximum(adjusted_.data(), adjusted_.size());
  if (max == kExcluded) return make_error(ErrorCode::kInternal, "no token can be drawn: every one is excluded");

  TokenId token;
  if (params.temperature == 0)
    token = static_cast<TokenId>(std::find(adjusted_.begin(), adjusted_.end(), max) - adjusted_.begin());
  else
    token = draw(params, max, index);
  if (!params.report_logprobs) return ScoredToken{token, 0, {}};
  return Logprobs(kernels_, logits, weights_).of(token, params.top_logprobs);
}

Result<ScoredToken> Sampler::score(std::span<const float> logits, TokenId token, std::uint32_t top) {
  if (auto ok = check_logits(logits); !ok) return ok.error();
  if (auto ok = check_token(token, logits.size(), "token"); !ok) return ok.error();
  return Logprobs(kernels_, logits, weights_).of(token, top);
}

Result<void> Sampler::adjust(const SamplingParams& params, const TokenHistory& history, std::uint64_t index) {
  for (const auto& [token, bias] : params.logit_bias) {
    if (auto ok = check_token(token, adjusted_.size(), "logit_bias of token"); !ok) return ok;
    adjusted_[token] += bias;
  }
  if (index < params.min_tokens)
    for (TokenId token : params.end_tokens) {
      if (auto ok = check_token(token, adjusted_.size(), "end token"); !ok) return ok;
      adjusted_[token] = kExcluded;
    }
  if (!uses_history(params)) return {};
  for (const auto& [token, occurrence] : history.tokens()) {
    if (auto ok = check_token(token, adjusted_.size(), "token"); !ok) return ok;
    float& z = adjusted_[token];
    z = z > 0 ? z / params.repetition_penalty : z * params.repetition_penalty;
    if (occurrence.in_output > 0)
      z = (z - params.frequency_penalty * static_cast<float>(occurrence.in_output)) - params.presence_penalty;
    z = std::min(z, kFloatMax);  // dividing by a tiny penalty may have overflowed
  }
  return {};
}

TokenId Sampler::draw(const SamplingParams& params, float max, std::uint64_t index) {
  weights_.resize(adjusted_.size());
  kernels_.exp_below(adjusted_.data(), max, params.temperature, weights_.data(), weights_.size());
  const auto lightest = static_cast<std::int64_t>(std::max(1.0, std::ceil(params.min_p * kWeightUnits)));
  const auto units_of = [lightest](float weight) {
    const auto units = static_cast<std::int64_t>(weight * kWeightUnits);
    return units >= lightest ? static_cast<std::uint64_t>(units) : 0;
  };
  const double u = random_uniform(params.seed, params.choice, index);
  if (params.top_k == 0 && params.top_p >= 1) return draw_from_all(u, units_of);

  candidates_.clear();
  for (std::size_t i = 0; i < weights_.size(); ++i)
    if (const std::uint64_t units = units_of(weights_[i]); units > 0) candidates_.push_back({static_cast<TokenId>(i), units});
  if (params.top_k > 0) keep_heaviest(params.top_k);
  if (params.top_p < 1) keep_nucleus(params.top_p);
  std::uint64_t target = share_of(sum_of(candidates_), u);
  for (const Candidate& candidate : candidates_) {
    if (target < candidate.weight) return candidate.token;
    target -= candidate.weight;
  }
  return candidates_.back().token;  // not reached: target < total
}

// Every token is a candidate, so none is written down: sums of chunks say where to look for the one.
template <typename Units>
TokenId Sampler::draw_from_all(double u, Units units_of) {
  constexpr std::size_t kChunk = 512;
  chunk_sums_.clear();
  std::uint64_t total = 0;
  for (std::size_t begin = 0; begin < weights_.size(); begin += kChunk) {
    std::uint64_t sum = 0;
    for (std::size_t i = begin; i < std::min(weights_.size(), begin + kChunk); ++i) sum += units_of(weights_[i]);
    chunk_sums_.push_back(sum);
    total += sum;
  }
  std::uint64_t target = share_of(total, u);
  std::size_t chunk = 0;
  for (; target >= chunk_sums_[chunk]; ++chunk) target -= chunk_sums_[chunk];  // ends: target < total
  std::size_t i = chunk * kChunk;
  for (std::uint64_t units; target >= (units = units_of(weights_[i])); ++i) target -= units;
  return static_cast<TokenId>(i);
}

std::uint64_t Sampler::sum_of(std::span<const Candidate> candidates) {
  std::uint64_t sum = 0;
  for (const Candidate& candidate : candidates) sum += candidate.weight;
  return sum;
}

bool Sampler::heavier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

template <typename Measure>
Sampler::Candidate Sampler::last_of_heaviest(double needed, Measure measure) {
  std::vector<std::uint64_t>& held_by_bucket = buckets_;
  held_by_bucket.assign(kBuckets, 0);
  for (const Candidate& candidate : candidates_) held_by_bucket[bucket_of(candidate.weight)] += measure(candidate);
  std::size_t bucket = kBuckets - 1;
  std::uint64_t held = 0;  // by what is heavier than the bucket
  while (bucket > 0 && static_cast<double>(held + held_by_bucket[bucket]) < needed) held += held_by_bucket[bucket--];

  ranked_.clear();
  for (const Candidate& candidate : candidates_)
    if (bucket_of(candidate.weight) == bucket) ranked_.push_back(candidate);
  std::span<Candidate> range(ranked_);  // the last one lies in it; what is before it counts, what is behind does not
  while (range.size() > 1) {
    const auto middle = range.size() / 2;
    std::nth_element(range.begin(), range.begin() + static_cast<std::ptrdiff_t>(middle), range.end(), heavier);
    std::uint64_t heavier_half = 0;
    for (const Candidate& candidate : range.first(middle)) heavier_half += measure(candidate);
    const bool enough = static_cast<double>(held + heavier_half) >= needed;
    if (!enough) held += heavier_half;
    range = enough ? range.first(middle) : range.subspan(middle);
  }
  return range.front();
}

void Sampler::keep_heaviest(std::size_t count) {
  if (count >= candidates_.size()) return;
  keep_down_to(last_of_heaviest(static_cast<double>(count), [](const Candidate&) { return std::uint64_t{1}; }));
}

void Sampler::keep_nucleus(float top_p) {
  const double needed = top_p * static_cast<double>(sum_of(candidates_));
  keep_down_to(last_of_heaviest(needed, [](const Candidate& candidate) { return candidate.weight; }));
}

void Sampler::keep_down_to(Candidate last) {
  std::erase_if(candidates_, [&](const Candidate& candidate) { return heavier(last, candidate); });
}

}  // namespace longshore::sampling
