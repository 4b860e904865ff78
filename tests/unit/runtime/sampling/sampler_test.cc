#include "runtime/sampling/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/kernels/isa.h"

namespace longshore::sampling {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_logits(std::size_t vocabulary, std::uint64_t seed, double spread = 3) {
  Random random(seed);
  std::vector<float> logits(vocabulary);
  for (float& logit : logits) {  // the sum of uniforms: near enough to a bell
    double sum = 0;
    for (int i = 0; i < 4; ++i) sum += random.uniform() - 0.5;
    logit = static_cast<float>(sum * spread);
  }
  return logits;
}

// What the parameters mean, in doubles and with full sorts: the probability of each token.
std::vector<double> reference_distribution(const std::vector<float>& logits, const SamplingParams& params,
                                           const TokenHistory& history, std::uint64_t index) {
  std::vector<double> z(logits.begin(), logits.end());
  for (const auto& [token, bias] : params.logit_bias) z[token] += bias;
  if (index < params.min_tokens)
    for (TokenId token : params.end_tokens) z[token] = -std::numeric_limits<double>::infinity();
  for (const auto& [token, occurrence] : history.tokens()) {
    z[token] = z[token] > 0 ? z[token] / params.repetition_penalty : z[token] * params.repetition_penalty;
    z[token] -= double{params.frequency_penalty} * occurrence.in_output;
    if (occurrence.in_output > 0) z[token] -= params.presence_penalty;
  }
  const double max = *std::max_element(z.begin(), z.end());
  std::vector<double> weights;
  for (double logit : z) weights.push_back(std::exp((logit - max) / params.temperature));

  std::vector<std::size_t> order(z.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return weights[a] > weights[b]; });
  std::erase_if(order, [&](std::size_t i) { return weights[i] < params.min_p; });
  if (params.top_k > 0 && order.size() > params.top_k) order.resize(params.top_k);
  double total = 0, held = 0;
  for (std::size_t i : order) total += weights[i];
  std::size_t count = 0;
  while (count < order.size() && (count == 0 || held < params.top_p * total)) held += weights[order[count++]];
  std::vector<double> out(z.size());
  for (std::size_t i = 0; i < count; ++i) out[order[i]] = weights[order[i]] / held;
  return out;
}

class SamplerTest : public testing::Test {
 protected:
  TokenId draw(const std::vector<float>& logits, const SamplingParams& params, std::uint64_t index = 0) {
    const auto token = sampler_.sample(logits, params, history_, index);
    EXPECT_TRUE(token.has_value()) << token.error().message;
    return token ? token->token : -1;
  }

  // Draws many times, and compares the counts with the reference by Pearson's statistic.
  void expect_distribution(const std::vector<float>& logits, SamplingParams params, std::uint64_t first = 0) {
    constexpr std::size_t kDraws = 10000;
    const auto expected = reference_distribution(logits, params, history_, first);
    std::vector<double> seen(logits.size());
    params.min_tokens = first < params.min_tokens ? 1u << 31 : params.min_tokens;  // the same rule for each draw
    for (std::uint64_t i = 0; i < kDraws; ++i) seen[draw(logits, params, first + i)] += 1;
    double statistic = 0, rare_seen = 0, rare_expected = 0;
    double cells = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      ASSERT_TRUE(expected[i] > 0 || seen[i] == 0) << "token " << i << " is filtered away, and was drawn";
      const double want = expected[i] * kDraws;
      if (want < 10) {
        rare_seen += seen[i];
        rare_expected += want;
        continue;
      }
      statistic += (seen[i] - want) * (seen[i] - want) / want;
      cells += 1;
    }
    if (rare_expected >= 10) {
      statistic += (rare_seen - rare_expected) * (rare_seen - rare_expected) / rare_expected;
      cells += 1;
    }
    // The statistic has mean cells - 1 and variance 2 (cells - 1); five deviations, and the draws are fixed.
    EXPECT_LE(statistic, (cells - 1) + 5 * std::sqrt(2 * (cells - 1)) + 1e-9) << cells << " cells";
  }

  Sampler sampler_{kernels::kRowKernelsPortable};
  TokenHistory history_;
};

TEST_F(SamplerTest, TemperatureZeroTakesTheLargestAndTiesGoToTheLowerId) {
  SamplingParams greedy{.temperature = 0};
  EXPECT_EQ(draw({1, 5, 3, 5}, greedy), 1);
  EXPECT_EQ(draw({-3, -kInfinity, -2}, greedy), 2);
  EXPECT_EQ(draw({-0.0f, 0.0f}, greedy), 0);
  std::vector<float> many(100, 1.0f);
  many[37] = many[63] = 2;
  EXPECT_EQ(draw(many, greedy), 37);
}

TEST_F(SamplerTest, NamesALogitThatIsNoNumber) {
  const SamplingParams params;
  std::vector<float> logits(50, 0.0f);
  logits[17] = std::numeric_limits<float>::quiet_NaN();
  const auto nan = sampler_.sample(logits, params, history_, 0);
  ASSERT_FALSE(nan.has_value());
  EXPECT_EQ(nan.error().code, ErrorCode::kInternal);
  EXPECT_THAT(nan.error().message, HasSubstr("logit of token 17 is nan"));
  logits[17] = kInfinity;
  EXPECT_THAT(sampler_.sample(logits, params, history_, 0).error().message, HasSubstr("token 17 is inf"));
  EXPECT_THAT(sampler_.score(logits, 0, 0).error().message, HasSubstr("token 17 is inf"));
  EXPECT_FALSE(sampler_.sample({}, params, history_, 0).has_value());
}

TEST_F(SamplerTest, SaysWhenNothingCanBeDrawn) {
  const std::vector<float> masked(4, -kInfinity);
  for (float temperature : {0.0f, 1.0f}) {
    const auto token = sampler_.sample(masked, {.temperature = temperature}, history_, 0);
    ASSERT_FALSE(token.has_value());
    EXPECT_THAT(token.error().message, HasSubstr("every one is excluded"));
  }
}

TEST_F(SamplerTest, RefusesTokensOutsideTheVocabulary) {
  SamplingParams params;
  params.logit_bias = {{4, 1.0f}};
  const auto biased = sampler_.sample(std::vector<float>(4), params, history_, 0);
  ASSERT_FALSE(biased.has_value());
  EXPECT_EQ(biased.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(biased.error().message, HasSubstr("logit_bias of token 4 is not in the vocabulary of 4 tokens"));
  EXPECT_FALSE(sampler_.sample(std::vector<float>(4), {.min_tokens = 1, .end_tokens = {-1}}, history_, 0).has_value());
  history_.add_output(9);
  EXPECT_FALSE(sampler_.sample(std::vector<float>(4), {.presence_penalty = 1}, history_, 0).has_value());
  EXPECT_TRUE(sampler_.sample(std::vector<float>(4), {}, history_, 0).has_value()) << "history is not looked at";
  EXPECT_FALSE(sampler_.score(std::vector<float>(4), 4, 0).has_value());
}

TEST_F(SamplerTest, DrawsFromTheSoftmax) {
  expect_distribution(random_logits(200, 1), {.seed = 11});
  expect_distribution({2.0f}, {.seed = 12});
}

TEST_F(SamplerTest, TemperatureSharpensAndFlattens) {
  expect_distribution(random_logits(100, 2), {.temperature = 0.5f, .seed = 3});
  expect_distribution(random_logits(100, 2), {.temperature = 5, .seed = 4});
  EXPECT_EQ(draw({1, 2, 1.5f}, {.temperature = std::numeric_limits<float>::denorm_min(), .seed = 5}), 1);
}

TEST_F(SamplerTest, FiltersKeepWhatTheReferenceKeeps) {
  const auto logits = random_logits(300, 6, 6);
  expect_distribution(logits, {.top_k = 5, .seed = 1});
  expect_distribution(logits, {.top_p = 0.8f, .seed = 2});
  expect_distribution(logits, {.min_p = 0.1f, .seed = 3});
  expect_distribution(logits, {.temperature = 1.5f, .top_p = 0.9f, .min_p = 0.02f, .top_k = 40, .seed = 4});
  expect_distribution(logits, {.temperature = 8, .top_p = 0.95f, .seed = 5});  // a nucleus of more than one part
}

TEST_F(SamplerTest, FiltersAtTheirEdges) {
  const std::vector<float> equal(8, 1.5f);
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_LT(draw(equal, {.top_k = 3, .seed = 1}, i), 3) << "ties go to the lower id";
    ASSERT_LT(draw(equal, {.top_p = 0.25f, .seed = 1}, i), 2);
    ASSERT_EQ(draw({0, 3, 1}, {.top_k = 1, .seed = 1}, i), 1);
    ASSERT_EQ(draw({0, 3, 1}, {.top_p = 1e-6f, .seed = 1}, i), 1);
    ASSERT_EQ(draw({0, 3, 1}, {.min_p = 1, .seed = 1}, i), 1);
  }
  EXPECT_NE(draw(equal, {.top_k = 100, .seed = 1}), -1);
}

TEST_F(SamplerTest, PenaltiesAndBiasShiftTheDistribution) {
  auto logits = random_logits(50, 7);
  logits[3] = 2;
  logits[4] = -1;
  const std::vector<TokenId> prompt{3, 4, 10, 10};
  history_.add_prompt(prompt);
  for (TokenId token : {4, 4, 20}) history_.add_output(token);
  expect_distribution(logits, {.presence_penalty = 1.5f, .seed = 1});
  expect_distribution(logits, {.frequency_penalty = -0.7f, .seed = 2});
  expect_distribution(logits, {.repetition_penalty = 1.8f, .seed = 3});
  SamplingParams all{.presence_penalty = 0.5f, .frequency_penalty = 0.5f, .repetition_penalty = 0.8f, .seed = 4};
  all.logit_bias = {{0, 3.0f}, {3, -100.0f}};
  expect_distribution(logits, all);
}

TEST_F(SamplerTest, AnExtremePenaltyStaysANumber) {
  history_.add_output(1);
  EXPECT_EQ(draw({1, 2, 3}, {.repetition_penalty = std::numeric_limits<float>::denorm_min(), .seed = 1}), 1);
}

TEST_F(SamplerTest, EndTokensCannotBeDrawnBeforeMinTokens) {
  SamplingParams params{.temperature = 0, .min_tokens = 3, .end_tokens = {2, 3}};
  const std::vector<float> logits{0, 1, 5, 4};
  for (std::uint64_t index = 0; index < 3; ++index) EXPECT_EQ(draw(logits, params, index), 1);
  EXPECT_EQ(draw(logits, params, 3), 2);
  params.temperature = 1;
  expect_distribution(logits, params, 0);
}

TEST_F(SamplerTest, ADrawDependsOnSeedChoiceAndIndexAlone) {
  const auto logits = random_logits(500, 8);
  const SamplingParams params{.top_p = 0.95f, .seed = 77};
  std::vector<TokenId> forward, backward;
  for (std::uint64_t i = 0; i < 64; ++i) forward.push_back(draw(logits, params, i));
  for (std::uint64_t i = 64; i-- > 0;) backward.push_back(draw(logits, params, i));
  std::reverse(backward.begin(), backward.end());
  EXPECT_EQ(forward, backward);
  Sampler other(kernels::kRowKernelsPortable);
  EXPECT_EQ(other.sample(logits, params, history_, 63)->token, forward[63]);

  const auto differs = [&](const SamplingParams& changed) {
    int count = 0;
    for (std::uint64_t i = 0; i < 64; ++i) count += draw(logits, changed, i) != forward[i];
    return count;
  };
  EXPECT_GT(differs({.top_p = 0.95f, .seed = 78}), 30);
  EXPECT_GT(differs({.top_p = 0.95f, .seed = 77, .choice = 1}), 30);
}

TEST_F(SamplerTest, DrawsTheSameFromAllTokensAndFromAListOfAllTokens) {
  for (std::size_t vocabulary : {1u, 511u, 512u, 513u, 5000u}) {
    const auto logits = random_logits(vocabulary, 10, 3);
    for (float min_p : {0.0f, 0.01f}) {
      const SamplingParams unfiltered{.min_p = min_p, .seed = 6};
      SamplingParams listed = unfiltered;
      listed.top_k = static_cast<std::uint32_t>(vocabulary);  // keeps all of them
      for (std::uint64_t i = 0; i < 300; ++i) ASSERT_EQ(draw(logits, unfiltered, i), draw(logits, listed, i)) << vocabulary;
    }
  }
}

TEST_F(SamplerTest, EveryInstructionSetDrawsTheSame) {
  std::vector<const kernels::RowKernels*> sets;
  if (kernels::is_supported(kernels::Isa::kAvx2)) sets.push_back(&kernels::kRowKernelsAvx2);
  if (kernels::is_supported(kernels::Isa::kAvx512)) sets.push_back(&kernels::kRowKernelsAvx512);
  if (sets.empty()) GTEST_SKIP() << "this CPU has only the portable kernels";
  const auto logits = random_logits(4099, 9, 5);
  const SamplingParams params{.temperature = 0.8f, .top_p = 0.9f, .seed = 5, .top_logprobs = 5, .report_logprobs = true};
  for (const auto* set : sets) {
    Sampler fast(*set);
    for (std::uint64_t i = 0; i < 200; ++i) {
      const auto want = *sampler_.sample(logits, params, history_, i);
      const auto got = *fast.sample(logits, params, history_, i);
      ASSERT_EQ(got.token, want.token);
      ASSERT_EQ(got.logprob, want.logprob);
      for (std::size_t k = 0; k < 5; ++k) ASSERT_EQ(got.top[k].logprob, want.top[k].logprob);
    }
  }
}

TEST_F(SamplerTest, LogprobsAreOfTheModelAndNotOfTheParameters) {
  const auto logits = random_logits(1000, 10, 8);
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit));
  SamplingParams params{.temperature = 0.3f, .top_k = 3, .presence_penalty = 1, .seed = 1, .top_logprobs = 20,
                        .report_logprobs = true};
  params.logit_bias = {{0, 50.0f}};
  const auto scored = *sampler_.sample(logits, params, history_, 0);
  EXPECT_EQ(scored.token, 0) << "the bias wins";
  EXPECT_NEAR(scored.logprob, logits[0] - std::log(sum), 1e-6 * std::abs(scored.logprob));
  ASSERT_EQ(scored.top.size(), 20u);
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  for (std::size_t k = 0; k < 20; ++k) {
    EXPECT_EQ(scored.top[k].token, static_cast<TokenId>(order[k]));
    EXPECT_NEAR(scored.top[k].logprob, logits[order[k]] - std::log(sum), 1e-6 * std::abs(scored.top[k].logprob));
  }
}

TEST_F(SamplerTest, AlternativesTieToTheLowerIdAndEndWithTheVocabulary) {
  const auto scored = *sampler_.score(std::vector<float>{1, 2, 2, -kInfinity}, 3, 9);
  std::vector<TokenId> tokens;
  for (const auto& alternative : scored.top) tokens.push_back(alternative.token);
  EXPECT_THAT(tokens, ElementsAre(1, 2, 0, 3));
  EXPECT_EQ(scored.logprob, -kInfinity);
}

TEST_F(SamplerTest, WithoutLogprobsNoneAreReported) {
  const auto scored = *sampler_.sample(std::vector<float>{1, 2}, {.top_logprobs = 5}, history_, 0);
  EXPECT_EQ(scored.logprob, 0);
  EXPECT_TRUE(scored.top.empty());
}

}  // namespace
}  // namespace longshore::sampling
